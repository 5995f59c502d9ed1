"use strict";
// What trains now, and one run: asks the server every two seconds and shows what has changed. All texts are set as text, never as HTML.

(() => {
  const EVERY_MS = 2000;
  const SLOWEST_MS = 30000;
  const OWN = location.pathname.match(/^\/runs\/([0-9a-f]{12})\/$/)?.[1] ?? null; // the page of one run
  const part = (id) => document.getElementById(id);
  const seen = new Map(); // address -> tag and content of the last answer
  let chosen = OWN ?? sessionStorage.getItem("run");
  let follows = !chosen; // nobody chose: another run is shown when this one has ended
  let chart = null; // of the chosen run: {run, update}
  let wait = EVERY_MS;

  function made(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "on") element.addEventListener("click", value);
      else if (value !== null && value !== false) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  function show(id, ...children) {
    part(id).replaceChildren(...children.filter((child) => child !== null && child !== ""));
  }

  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

  // A duration: 24 s, 12 min, 3 h 05 min, 2 d 4 h.
  function duration(seconds) {
    if (seconds < 90) return `${Math.round(seconds)} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 90) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }

  function moment(iso) {
    const date = new Date(iso);
    const today = date.toDateString() === new Date().toDateString();
    const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return made("time", { datetime: iso, title: iso }, today ? clock : `${date.toLocaleDateString()} ${clock}`);
  }

  // {content, changed} of a document; null: there is none (404).
  async function read(address) {
    const known = seen.get(address);
    const answer = await fetch(address, { cache: "no-store", headers: known ? { "If-None-Match": known.tag } : {} });
    if (answer.status === 304) return { content: known.content, changed: false };
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(await answer.text());
    const content = await answer.json();
    seen.set(address, { tag: answer.headers.get("ETag"), content });
    return { content, changed: true };
  }

  const title = (run) => [run.of || "run", run.step, run.variant, run.seed === null ? "" : `seed ${run.seed}`].filter(Boolean).join(" · ");
  const place = (run) => [run.host, run.gpus ? `GPU ${run.gpus}` : "", run.job ? `job ${run.job}` : "", run.pid ? `process ${run.pid}` : ""].filter(Boolean).join(", ");
  const epochs = (run) => (run.epochs === null ? String(run.epoch) : `${run.epoch}/${run.epochs}`);
  const values = (run) => run.values.map(({ label, text }) => `${label} ${text}`).join(", ");

  function cell(label, content, words = false) {
    return made("td", { class: words ? "words" : null, "data-label": label }, content ?? "");
  }

  function runRow(run) {
    const pick = made("button", { type: "button", class: "pick", on: () => choose(run.run) }, [run.variant, run.seed === null ? "" : `seed ${run.seed}`].filter(Boolean).join(" · ") || run.run);
    const also = run.also.length ? `, also of ${run.also.join(", ")}` : "";
    return made("tr", { "aria-current": String(run.run === chosen) },
      made("th", { scope: "row" }, pick, made("br"), made("small", {}, [run.of, run.step].filter(Boolean).join(" · ") + also)),
      cell("epoch", epochs(run)),
      cell("values", values(run), true),
      cell("speed", run.speed === null ? "" : `${number(run.speed)}/s`),
      cell("time left", run.left_s === null ? "" : duration(run.left_s)),
      cell("started", run.since === null ? "" : moment(run.since)),
      cell("worker", made("span", {}, place(run), ...(run.device ? [made("br"), made("small", {}, run.device)] : [])), true));
  }

  function planRow(plan) {
    const address = `/reports/${encodeURIComponent(plan.name)}/index.html`;
    const name = plan.report ? made("a", { href: address }, plan.name) : plan.name;
    const total = plan.total === null ? "?" : plan.total.toLocaleString("en");
    const ended = plan.done + plan.failed + plan.diverged;
    const bar = plan.total ? made("progress", { max: plan.total, value: ended, "aria-label": `${plan.name}: finished` }) : "";
    const remarks = [plan.stage === "evidence" ? "" : plan.stage, plan.rehearsal ? "rehearsal" : "", plan.beyond ? `${plural(plan.beyond, "run")} at later looks, if needed` : "", plan.problem].filter(Boolean).join("; ");
    return made("tr", {},
      made("th", { scope: "row" }, name, made("br"), made("small", {}, plan.question)),
      cell("done", made("span", {}, bar, ` ${plan.done.toLocaleString("en")}/${total} ${plan.kind}`)),
      ...["running", "diverged", "failed"].map((state) => cell(state, plan[state] ? plan[state].toLocaleString("en") : "")),
      cell("remarks", remarks, true));
  }

  function showState(state) {
    const { training } = state;
    const finished = (plan) => plan.total !== null && plan.done + plan.failed + plan.diverged >= plan.total;
    show("place", `${state.folder} on ${state.host}`);
    const problems = [state.problem, ...state.problems, state.more_problems ? `${state.more_problems} more problems` : ""];
    show("messages", ...problems.filter(Boolean).map((text) => made("p", { class: "banner" }, text)));
    const reading = state.unread ? `; reading the results: ${plural(state.unread, "run")} left` : "";
    show("count", (training.length ? `${plural(training.length + state.more_training, "run")} on ${plural(new Set(training.map((run) => `${run.host} ${run.pid}`)).size, "worker")}` : "Nothing trains now") + reading);
    part("runs").hidden = !training.length;
    fill("runs", training.map(runRow));
    const plans = [...state.progress].sort((one, other) => finished(one) - finished(other) || other.running - one.running || one.name.localeCompare(other.name));
    fill("plans", plans.map(planRow));
    part("progress").hidden = Boolean(OWN) || !plans.length;
    part("training").hidden = Boolean(OWN);
  }

  // The rows of a table, each a group of its own: on a narrow screen it is a block.
  function fill(id, rows) {
    [...part(id).tBodies].forEach((body) => body.remove());
    part(id).append(...rows.map((row) => made("tbody", {}, row)));
  }

  function showRun(run) {
    part("run").hidden = !run;
    if (!run) return;
    if (run.problem) {
      show("run-heading", `run ${run.run}`);
      show("facts", run.problem);
      return;
    }
    show("run-heading", title(run));
    const left = run.state === "running" && run.left_s !== null ? `about ${duration(run.left_s)} left` : "";
    const where = place(run);
    const facts = [run.state, `epoch ${epochs(run)}`, values(run), run.speed === null ? "" : `${number(run.speed)} samples/s`, left, where ? `on ${where}` : "", run.device ?? "", run.error ?? ""];
    show("facts", facts.filter(Boolean).join(" · "), ...(run.since ? [" · since ", moment(run.since)] : []), ...(OWN ? [] : [" · ", made("a", { href: `/runs/${run.run}/` }, run.run)]));
    const log = part("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    if (log.textContent !== run.log) {
      log.textContent = run.log || "Nothing printed.";
      if (atEnd) log.scrollTop = log.scrollHeight;
    }
    show("files", "Files: ", ...["log.txt", "metrics.jsonl", "spec.json", "provenance.json", ...(run.ended ? ["result.json"] : [])].flatMap((name) => [made("a", { href: `/runs/${run.run}/${name}` }, name), " "]));
    showChart(run);
  }

  function showChart(run) {
    if (!Object.keys(run.chart.metrics).length) {
      show("chart", made("p", { class: "reading" }, "No epoch has finished yet."));
      chart = null;
    } else if (chart?.run === run.run) {
      chart.update(run.chart);
    } else {
      chart = { run: run.run, update: lineChart(part("chart"), run.chart).update };
    }
  }

  async function choose(run) {
    [chosen, follows] = [run, false];
    sessionStorage.setItem("run", run);
    await look();
    part("run").scrollIntoView({ block: "nearest" });
  }

  let shown = null; // the run that is shown
  async function look() {
    const state = await read("/api/state");
    const { training } = state.content;
    if (follows && training.length && !training.some((run) => run.run === chosen)) chosen = training[0].run;
    const wanted = chosen;
    const run = wanted ? await read(`/api/run/${wanted}`) : null;
    if (wanted !== chosen) return; // another one was chosen meanwhile
    if (state.changed || wanted !== shown) showState(state.content);
    if (!run || run.changed || wanted !== shown) showRun(run?.content ?? null);
    shown = wanted;
    if (run || !wanted) return;
    if (OWN) show("messages", made("p", { class: "banner" }, "This run has not begun, or its folder is gone."));
    else [chosen, follows] = [null, true]; // it has vanished
  }

  async function go() {
    if (!document.hidden) {
      try {
        await look();
        wait = EVERY_MS;
        document.body.classList.remove("lost");
      } catch (error) {
        wait = Math.min(2 * wait, SLOWEST_MS);
        show("messages", made("p", { class: "banner" }, `The server does not answer (${error.message}); what is shown may be out of date.`));
        seen.clear();
      }
    }
    setTimeout(go, wait);
  }

  if (OWN) {
    show("heading", "Run ", made("code", {}, OWN));
    document.title = `Run ${OWN}`;
  }
  go();
})();
