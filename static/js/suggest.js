// Articles that may answer what is being written, offered while one types. Without this file the page works the same.
const block = document.querySelector("[data-suggestions]");
const field = document.getElementById("id_subject");
if (block && field) {
  let waiting;
  let asked = "";
  const offer = async () => {
    const text = field.value.trim();
    if (text.length < 4 || text === asked) return;
    asked = text;
    const answer = await fetch(`${block.dataset.suggestions}&q=${encodeURIComponent(text)}`, {
      headers: { "HX-Request": "true" },
    }).catch(() => null);
    if (answer?.ok && text === asked) block.innerHTML = await answer.text();
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(offer, 600);
  });
}
