// Buttons that copy the texts beside them (data-copy: their name); on a page from disk, browsers may refuse the clipboard to scripts.

async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    return copiedBySelection(source.textContent);
  }
}

// The older way, which also works where the clipboard is refused: the text is selected in a field of its own.
function copiedBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  const before = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

for (const row of document.querySelectorAll(".copy")) {
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  row.append("Copy as ");
  for (const source of row.parentElement.querySelectorAll("[data-copy]")) {
    const name = source.dataset.copy;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", async () => {
      if (await copied(source)) {
        status.textContent = `${name} copied`;
        return;
      }
      // Left to the reader: the text, selected.
      source.closest("details").open = true;
      getSelection().selectAllChildren(source);
      status.textContent = `press Ctrl+C or ⌘C to copy the selected ${name}`;
    });
    row.append(button, " ");
  }
  row.append(status);
  row.hidden = false;
}
