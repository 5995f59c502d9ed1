// Buttons that copy the text of another element; on a page from disk, browsers may refuse the clipboard to scripts.

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
  row.hidden = false;
  const status = row.querySelector("[role=status]");
  row.addEventListener("click", async ({ target }) => {
    const source = document.getElementById(target.dataset.copy ?? "");
    if (!source) return;
    if (await copied(source)) {
      status.textContent = `${target.textContent} copied`;
      return;
    }
    // Left to the reader: the text, selected.
    source.closest("details").open = true;
    getSelection().selectAllChildren(source);
    status.textContent = `press Ctrl+C or ⌘C to copy the selected ${target.textContent}`;
  });
}
