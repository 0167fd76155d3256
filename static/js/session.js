// Two minutes before the session ends, a dialog says so and can extend it. After the end nothing typed is lost: one
// signs in again in another tab, and the forms of this page take the new session's token.
(() => {
  const dialog = document.getElementById("fin-de-session");
  if (!dialog?.showModal) return;
  const form = dialog.querySelector("form");
  const find = (name) => dialog.querySelector(`[data-${name}]`);
  const warning = Number(dialog.dataset.warning);
  let end = Date.now() + Number(dialog.dataset.left) * 1000;
  let person = "";
  let extendable = true;
  let timer;

  const left = () => Math.max(0, Math.round((end - Date.now()) / 1000));

  function say(title, text, over) {
    find("title").textContent = title;
    find("text").textContent = text;
    find("alive").hidden = over || !extendable;
    find("over").hidden = !over;
    if (!dialog.open) {
      dialog.showModal();
    }
  }

  function plan() {
    clearTimeout(timer);
    const seconds = left();
    if (seconds > warning) {
      if (dialog.open) dialog.close();
      timer = setTimeout(look, (seconds - warning) * 1000);
    } else if (seconds > 0) {
      const minutes = Math.ceil(seconds / 60);
      const what = extendable ? "Restez connecté pour continuer." : "Elle a atteint sa durée maximale : enregistrez votre travail.";
      say("Votre session va prendre fin", `Il reste ${minutes} minute${minutes > 1 ? "s" : ""}. ${what}`, false);
      timer = setTimeout(plan, Math.min(seconds, seconds % 60 || 60) * 1000 + 500);
    } else {
      say("Votre session a pris fin", "Ce que vous avez tapé est encore sur cette page : reconnectez-vous dans un nouvel onglet, puis continuez ici.", true);
      find("again").focus();
    }
  }

  function take(state) {
    if (!state.left) {
      end = Date.now();
      return;
    }
    if (person && person !== state.person) {
      location.reload(); // somebody else signed in: this page is not theirs
      return;
    }
    person = state.person;
    extendable = state.extendable;
    end = Date.now() + state.left * 1000;
    for (const input of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) input.value = state.csrf;
  }

  async function ask(options) {
    try {
      const answer = await fetch(dialog.dataset.state, { credentials: "same-origin", cache: "no-store", ...options });
      if (answer.ok) take(await answer.json());
    } catch {
      // The network is away: what is known of the end still holds.
    }
  }

  async function look() {
    await ask(); // another tab may have kept the session alive
    plan();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (find("over").hidden) {
      await ask({ method: "POST", body: new FormData(form) });
    } else {
      await ask();
    }
    plan();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && left() <= warning) look();
  });
  ask().then(plan);
})();
