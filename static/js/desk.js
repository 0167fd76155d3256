// The desk's keyboard, and lists that stay fresh. Nothing here is needed: every deed has its link or its button.
(() => {
  const OFF = "desk-sans-raccourcis";
  const CURSOR = "desk-ligne";
  const EVERY = 30_000;
  const QUEUES = { n: "a-prendre", m: "miennes", r: "retard", a: "attente", t: "toutes" };
  const dialog = document.getElementById("raccourcis");
  const desk = document.querySelector(".desk-nav a")?.pathname ?? "/desk/";
  let going = 0; // until when « g » waits for its second key

  const find = (selector) => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const current = () => find("[data-row].here");

  function kept(name) {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  }

  function keep(name, value) {
    try {
      sessionStorage.setItem(name, value);
    } catch {
      // A browser that keeps nothing: the cursor starts at the top.
    }
  }

  function isOff() {
    try {
      return localStorage.getItem(OFF) === "1";
    } catch {
      return false;
    }
  }

  // The row that the keys act on

  function move(index, { focus = true } = {}) {
    const all = rows();
    if (!all.length) return;
    const wanted = all[Math.min(Math.max(index, 0), all.length - 1)];
    for (const row of all) row.classList.toggle("here", row === wanted);
    if (focus) wanted.querySelector("a").focus();
    keep(CURSOR, JSON.stringify([find("#demandes")?.dataset.list, all.indexOf(wanted)]));
  }

  function step(by) {
    const all = rows();
    const here = all.indexOf(current());
    move(here < 0 ? 0 : here + by);
  }

  function take() {
    const ticked = document.querySelector("[data-row] input[type=checkbox]:checked");
    if (ticked) {
      const deed = find("#deed");
      deed.value = "prendre";
      deed.form.requestSubmit(deed.parentElement.querySelector("button[type=submit]"));
    } else if (current()) {
      current().querySelector(".ticket-take")?.click();
    } else {
      find("[data-key=t]")?.click(); // the page of one ticket
    }
  }

  function open() {
    current()?.querySelector("a")?.click();
  }

  function tick() {
    current()?.querySelector("input[type=checkbox]")?.click();
  }

  const KEYS = {
    "?": () => dialog?.showModal(),
    "/": () => (find("#q") ? find("#q").focus() : location.assign(`${desk}?file=toutes#q`)),
    j: () => step(1),
    k: () => step(-1),
    o: open,
    x: tick,
    t: take,
    g: () => {
      going = Date.now() + 1500;
    },
  };

  function isTyping(target) {
    return target.isContentEditable || target.closest?.("select, textarea, input:not([type=checkbox]):not([type=radio]), dialog");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat && event.key === "t") return;
    if (event.defaultPrevented || isTyping(event.target) || isOff() || document.querySelector("dialog[open]")) return;
    if (going > Date.now()) {
      going = 0;
      const place = QUEUES[event.key] ? `${desk}?file=${QUEUES[event.key]}` : event.key === "i" ? `${desk}incidents/` : "";
      if (event.key.length === 1) event.preventDefault(); // « g » was meant: no key after it is a deed's
      if (place) location.assign(place);
      return;
    }
    if (event.key === "Enter" && event.target === document.body) return open();
    const act = "jkox".includes(event.key) && !rows().length ? null : KEYS[event.key]; // those are for lists
    if (act && (event.key === "?" || !event.shiftKey)) {
      event.preventDefault();
      act();
    }
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-row]");
    if (row && !row.classList.contains("here")) move(rows().indexOf(row), { focus: false });
  });

  document.documentElement.classList.add("scripted");
  document.addEventListener("click", (event) => {
    if (!event.target.matches("[data-tick-all]")) return;
    const boxes = [...document.querySelectorAll("[data-row] input[type=checkbox]")];
    const all = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !all;
  });

  // WCAG 2.1.4: who does not want them switches them off, on this device

  const line = find("[data-keys-switch]");
  if (line) {
    const button = line.querySelector("button");
    button.setAttribute("aria-pressed", String(isOff()));
    line.hidden = false;
    button.addEventListener("click", () => {
      const off = !isOff();
      try {
        localStorage.setItem(OFF, off ? "1" : "0");
      } catch {
        return;
      }
      button.setAttribute("aria-pressed", String(off));
    });
  }

  // After a deed one goes on where one was: the next ticket has taken the place of the one that left

  const [which, index] = JSON.parse(kept(CURSOR) ?? "[null, 0]");
  if (location.hash === "#q") find("#q")?.focus();
  const busyElsewhere = location.hash || document.activeElement !== document.body;
  if (which && which === find("#demandes")?.dataset.list && !busyElsewhere) move(index);

  // A list asks for itself again, while somebody looks at it and is not in the middle of something

  const list = () => find("#demandes");
  let ticked = [];
  let here = "";

  function busy() {
    return document.hidden || document.querySelector("dialog[open]") || list().contains(document.activeElement) && document.activeElement.matches("select");
  }

  if (list() && window.htmx) {
    setInterval(() => busy() || window.htmx.trigger(list(), "desk:refresh"), EVERY);
    document.addEventListener("visibilitychange", () => document.hidden || window.htmx.trigger(list(), "desk:refresh"));
    document.body.addEventListener("htmx:beforeSwap", (event) => {
      if (event.detail.xhr.getResponseHeader("Content-Type")?.includes("text/html") && event.detail.xhr.responseURL.includes("/connexion/")) {
        event.detail.shouldSwap = false; // the session is over: what is on the page stays
        return;
      }
      ticked = [...document.querySelectorAll("[data-row] input:checked")].map((box) => box.id);
      here = current()?.id ?? "";
    });
    document.body.addEventListener("htmx:afterSettle", () => {
      for (const id of ticked) {
        const box = document.getElementById(id);
        if (box) box.checked = true;
      }
      document.getElementById(here)?.classList.add("here");
      for (const pair of (list()?.dataset.badges ?? "").trim().split(" ")) {
        const [name, count] = pair.split(":");
        const badge = find(`[data-badge="${name}"]`);
        if (badge) {
          badge.hidden = !count;
          badge.firstElementChild.textContent = count;
        }
      }
      const said = find("#combien");
      const total = list()?.dataset.total ?? "";
      if (said && said.textContent !== total) said.textContent = total;
    });
  }
})();
