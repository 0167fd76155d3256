// The password on the screen: copied, masked after a minute and shown again as often as asked, erased from the page
// when one leaves it. Its text is kept nowhere but in this page: no storage, no address, no title. The page works
// without this file: then the text simply stays, and can be selected.
(() => {
  const panel = document.querySelector("[data-password-panel]");
  if (!panel) return;
  const part = (name) => panel.querySelector(`[data-password-${name}]`);
  const [shown, masked, gone, acts, status] = ["shown", "masked", "gone", "acts", "status"].map(part);
  const [copy, again, hide, print] = ["copy", "again", "hide", "print"].map(part);
  const VISIBLE_MS = 60_000;
  let content = null; // what the panel holds while it is masked
  let text = part("text").textContent;
  let timer;

  const say = (words) => { status.textContent = words; };

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(() => mask("Le mot de passe est masqué. Le bouton « Afficher encore » le montre à nouveau."), VISIBLE_MS);
  }

  function mask(words) {
    if (text === null || content) return;
    clearTimeout(timer);
    const held = hide.contains(document.activeElement) || shown.contains(document.activeElement);
    content = document.createDocumentFragment();
    content.append(...shown.childNodes);
    shown.hidden = hide.hidden = true;
    masked.hidden = again.hidden = false;
    if (held) again.focus();
    say(words);
  }

  function show() {
    if (text === null) return;
    if (content) {
      const held = again.contains(document.activeElement);
      shown.append(content);
      content = null;
      shown.hidden = hide.hidden = false;
      masked.hidden = again.hidden = true;
      if (held) hide.focus();
      say("Le mot de passe est affiché, pour une minute.");
    }
    wait();
  }

  function erase() {
    clearTimeout(timer);
    text = content = null;
    shown.replaceChildren();
    shown.hidden = masked.hidden = acts.hidden = true;
    gone.hidden = false;
    say("");
  }

  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Le mot de passe est copié. Collez-le là où il sert, puis copiez autre chose.");
    } catch {
      show();
      getSelection().selectAllChildren(part("text"));
      say("Le mot de passe est sélectionné : copiez-le avec Ctrl + C, ou par un appui long.");
    }
  });
  again.addEventListener("click", show);
  hide.addEventListener("click", () => mask("Le mot de passe est masqué."));
  print.addEventListener("click", () => { show(); window.print(); });
  addEventListener("beforeprint", show);
  addEventListener("pagehide", erase);
  acts.hidden = false;
  wait();
})();
