// One ticket: keys, focus after a deed, refusals shown where one writes. Without it each deed has its own page.
(() => {
  const OFF = "desk-sans-raccourcis"; // the switch of desk.js
  const say = document.getElementById("annonce");

  function isOff() {
    try {
      return localStorage.getItem(OFF) === "1";
    } catch {
      return false;
    }
  }

  function isTyping(target) {
    return target.isContentEditable || target.closest?.("select, textarea, input:not([type=checkbox]):not([type=radio]), dialog");
  }

  // « Répondre » and « Note interne » lead into their field

  function goTo(id) {
    const field = document.getElementById(id);
    if (!field) return;
    const fold = field.closest("details");
    if (fold) fold.open = true;
    field.focus();
    field.scrollIntoView({ block: "center" });
  }

  document.addEventListener("click", (event) => {
    const goes = event.target.closest?.("[data-goes]");
    if (goes) {
      event.preventDefault();
      goTo(goes.dataset.goes);
    }
    if (event.target.closest?.("#geste [data-cancel]") && document.getElementById("gestes")) {
      event.preventDefault();
      document.getElementById("geste").replaceChildren();
      document.getElementById("g-repondre")?.focus();
    }
  });

  const ALIAS = { a: "t" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.isComposing || event.repeat) return;
    if (event.defaultPrevented || isTyping(event.target) || isOff() || document.querySelector("dialog[open]")) return;
    const key = ALIAS[event.key] ?? event.key;
    const target = /^[a-z]$/.test(key) && document.querySelector(`[data-key="${key}"]`);
    if (!target) return;
    event.preventDefault();
    target.click();
  });

  // Ctrl + Entrée sends what one is writing: no single key does, so it is never switched off

  const SENDS = { reponse: "envoyer", note: "garder-note" };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat || event.isComposing) return;
    const button = document.getElementById(SENDS[event.target.id]);
    if (!button) return;
    event.preventDefault();
    button.form.requestSubmit(button);
  });

  // What did not leave is said beside what one wrote, and goes at the next try

  const HEAVIEST = 8_000_000;
  const KEPT = "Votre texte est toujours là.";
  const WHY = {
    0: `Le portail ne répond pas. ${KEPT} Réessayez dans un moment.`,
    403: `Le portail a refusé ce geste\u00a0: votre session a peut-être changé. ${KEPT} Copiez-le, puis rechargez la page.`,
    404: `Cette demande n’est plus à votre équipe. ${KEPT}`,
    413: `Vos fichiers sont trop lourds\u00a0: rien n’est parti. ${KEPT} Trois fichiers au plus, 8\u00a0Mo chacun.`,
    429: `Trop de gestes en peu de temps. ${KEPT} Attendez un moment, puis réessayez.`,
  };

  function fail(source, why) {
    const form = source.closest("form");
    if (source.id === "brouillon") {
      source.textContent = `Le brouillon n’est pas gardé. ${KEPT}`;
    } else if (!form) {
      say.textContent = why; // a link, which stands by itself
    } else {
      say.textContent = "";
      const told = document.createElement("p");
      told.className = "dt-failed";
      told.setAttribute("role", "alert");
      told.textContent = why;
      (form.querySelector(".dt-acts") ?? form).before(told);
    }
  }

  function forget() {
    for (const told of document.querySelectorAll(".dt-failed")) told.remove();
  }

  document.addEventListener("submit", (event) => {
    forget();
    const files = [...event.target.querySelectorAll("input[type=file]")].flatMap((input) => [...input.files]);
    const heavy = files.find((file) => file.size > HEAVIEST);
    if (!heavy) return;
    event.preventDefault();
    event.stopPropagation(); // before htmx
    fail(event.target, `«\u00a0${heavy.name}\u00a0» dépasse 8\u00a0Mo\u00a0: rien n’est parti. ${KEPT} Choisissez un fichier plus petit.`);
  }, true);

  // An answer that may still be recalled: the seconds are shown, and told to nobody who listens; then it is gone

  setInterval(() => {
    const recall = document.querySelector("[data-recall]");
    if (!recall) return;
    recall.ends ??= performance.now() + 1000 * Number(recall.dataset.recall);
    const left = Math.ceil((recall.ends - performance.now()) / 1000);
    if (left > 0) {
      recall.querySelector("[data-left]").textContent = `${left}\u00a0seconde${left > 1 ? "s" : ""}`;
    } else {
      const had = recall.contains(document.activeElement);
      recall.remove();
      if (had) (document.getElementById("reponse") ?? say).focus();
    }
  }, 500);

  // htmx

  if (window.htmx) window.htmx.config.attributesToSettle = ["class"]; // no style is ever set from a script here

  let lost = false; // the focus was on something that is about to be replaced

  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.responseURL.includes("/connexion/")) {
      event.detail.shouldSwap = false; // the session is over: what is typed stays
      event.detail.isError = false;
      if (event.target.id !== "nouveau") say.textContent = "Votre session est finie. Copiez votre texte, puis reconnectez-vous.";
    } else if (xhr.status === 409 || xhr.status === 422) {
      event.detail.shouldSwap = true; // what was refused comes back with its reasons
      event.detail.isError = false;
      say.textContent = ""; // what the deed before said is no answer to this one
    }
    lost = document.activeElement !== document.body;
  });

  document.body.addEventListener("htmx:afterSettle", (event) => {
    const opened = event.detail.target?.id === "geste" && event.detail.requestConfig?.verb === "get"; // a deed that asks
    const summary = document.querySelector("#geste [data-error-summary], #ecrire [data-error-summary], #noter [data-error-summary]");
    const recalled = event.detail.requestConfig?.path.endsWith("/rappeler/") && document.getElementById("reponse")?.value;
    if (summary && summary !== document.activeElement && !summary.dataset.read) {
      summary.dataset.read = "1";
      summary.focus();
    } else if (recalled) {
      goTo("reponse"); // its text is back
    } else if (opened || (lost && document.activeElement === document.body)) {
      const asked = document.querySelector("#geste input:not([type=hidden]), #geste select, #geste textarea, #geste button");
      (asked ?? say).focus();
    }
    lost = false;
  });

  document.addEventListener("visibilitychange", () => {
    const news = document.getElementById("nouveau");
    if (!document.hidden && news && window.htmx) window.htmx.trigger(news, "desk:refresh"); // one comes back to the tab
  });

  document.body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 404 && event.target.id === "nouveau") {
      event.target.remove(); // nobody's of this team any more: nothing is asked again
      say.textContent = "Cette demande n’est plus à votre équipe.";
    } else if (event.target.id !== "nouveau") {
      const { status } = event.detail.xhr;
      fail(event.detail.elt, WHY[status] ?? `Le portail n’a pas pu le faire (erreur ${status}). ${KEPT} Réessayez dans un moment.`);
    }
  });

  document.body.addEventListener("htmx:sendError", (event) => {
    if (event.target.id !== "nouveau") fail(event.detail.elt, WHY[0]);
  });

  document.body.addEventListener("htmx:beforeRequest", (event) => event.target.id === "nouveau" || forget());
})();
