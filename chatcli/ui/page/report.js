"use strict";
// The tables of a report, made when a token is pointed at, clicked, or reached by keys, from
// the figures in the element "data" (`block.py` says what stands where). Texts only ever become
// text nodes.
(() => {
  const figures = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("panel");
  const texts = [...document.querySelectorAll(".told")];
  const tokens = texts.flatMap((text) => [...text.children]);
  const place = new Map(); // of each token: its number among all, its text, its number there
  texts.forEach((text, reply) =>
    [...text.children].forEach((token, at) => place.set(token, { all: place.size, reply, at })));
  let picked = null;

  const element = (name, kind, ...inside) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    made.append(...inside);
    return made;
  };
  const percent = (x) => {
    if (x === null) return "";
    if (x > 0 && x < 0.0005) return "<0.1 %";
    if (x >= 0.9995 && x < 1) return ">99.9 %";
    return `${(100 * x).toFixed(1)} %`;
  };
  const bits = (x) => (x > 0 ? `${Math.abs(Math.log2(x)).toFixed(2)} bits` : "∞ bits");
  const label = (name) => element("td", "label", element("bdi", "", figures.labels[name]));

  const tabled = (caption, titles, rows) => {
    const head = titles.map((title, at) => element("th", at ? "figure" : "", title));
    return element("table", "", element("caption", "", caption),
      element("thead", "", element("tr", "", ...head)), element("tbody", "", ...rows));
  };
  const candidates = (name, flat) => {
    const rows = [];
    const known = flat.some((_, at) => at % 4 === 2 && flat[at] !== null && flat[at - 2] !== name);
    for (let at = 0; at < flat.length; at += 4) {
      const [which, raw, prob, remover] = flat.slice(at, at + 4);
      const came = which === name || figures.ids[which] === figures.ids[name];
      const gone = remover >= 0 ? figures.stages[remover] : known && prob === 0 ? "not taken" : "";
      const row = element("tr", came ? "came" : gone ? "gone" : "", label(which),
        element("td", "figure", percent(raw)),
        element("td", "figure", gone || percent(prob)));
      if (came) row.setAttribute("aria-current", "true");
      rows.push(row);
    }
    return tabled("what could have come", ["token", "model", "after the chain"], rows);
  };
  const stages = (flat) => {
    const rows = [];
    for (let at = 0; at < flat.length; at += 3) {
      rows.push(element("tr", "", element("td", "", figures.stages[flat[at]]),
        element("td", "figure", flat[at + 1].toLocaleString("en")),
        element("td", "figure", `${flat[at + 2].toFixed(2)} bits`)));
    }
    return tabled("what each stage left", ["stage", "tokens", "entropy"], rows);
  };
  const luck = (u, low, high) => {
    if (u === null) return "the likeliest was taken, without luck";
    if (low === null) return `u = ${u}, of which the chain left it nothing`;
    return `u = ${u} ${u >= low && u < high ? "in" : "outside of"} its [${low}, ${high})`;
  };
  const describe = ({ reply, at }) => {
    const [name, raw, prob, rank, entropy, u, low, high, rivals, left] = figures.replies[reply][at];
    const among = figures.replies[reply].length;
    const place = `token ${at + 1} of ${among}, id ${figures.ids[name]}`;
    const seen = `model ${percent(raw)}, rank ${rank ?? `above ${figures.top}`}, ${bits(raw)}`;
    const drawn = prob === null ? "" : `drawn with ${percent(prob)}, `;
    const summary = element("p", "", `${place}: ${seen}`);
    summary.id = "summary";
    return [element("h2", "", element("bdi", "", figures.labels[name])), summary,
      element("p", "", `${drawn}entropy ${entropy.toFixed(2)} bits; ${luck(u, low, high)}`),
      candidates(name, rivals), ...(left.length ? [stages(left)] : [])];
  };
  const hint = () => {
    const keys = (...names) => names.flatMap((name) => [element("kbd", "", name), " "]);
    return [element("p", "", "Point at a token, or go from one to the next with ",
      ...keys("←", "→", "↑", "↓"), "; ", ...keys("n", "p"), "find the next and the previous ",
      "surprise, ", element("kbd", "", "Esc"), " lets go.")];
  };

  const show = (token) => {
    panel.replaceChildren(...(token ? describe(place.get(token)) : hint()));
    panel.hidden = false;
    texts.forEach((text, reply) => {
      const cursor = plot(text).querySelector(".cursor");
      const here = token && place.get(token).reply === reply;
      cursor.setAttribute("d", here ? `M${column(text, place.get(token).at) + 0.5} 0V60` : "");
    });
  };
  const plot = (text) => {
    let next = text.nextElementSibling;
    while (next && !next.matches(".plot")) next = next.nextElementSibling;
    return next;
  };
  const shared = (text) => Math.ceil(text.children.length / 600); // tokens of a plot's column
  const column = (text, at) => Math.floor(at / shared(text));

  const letGo = () => {
    if (!picked) return;
    picked.removeAttribute("aria-current");
    picked.removeAttribute("aria-describedby");
    picked = null;
  };
  const pick = (token) => {
    letGo();
    const text = texts[place.get(token).reply];
    text.querySelector("[tabindex]").removeAttribute("tabindex");
    for (const [name, value] of Object.entries({
      tabindex: "0", role: "button", "aria-current": "true", "aria-describedby": "summary",
    })) token.setAttribute(name, value);
    picked = token;
    show(token);
    if (document.activeElement !== token) token.focus();
  };

  const middle = (token) => {
    const box = token.getClientRects()[0] ?? token.getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2, height: box.height };
  };
  // The token on the next line (the one before for step -1) that is nearest across.
  const across = (token, step) => {
    const from = middle(token);
    let best = null, line = null;
    for (let at = place.get(token).all + step; tokens[at]; at += step) {
      const { x, y, height } = middle(tokens[at]);
      if (Math.abs(y - from.y) < height / 2) continue;
      if (line !== null && Math.abs(y - line) > height / 2) break;
      line = y;
      const gap = Math.abs(x - from.x);
      if (best === null || gap < best.gap) best = { token: tokens[at], gap };
    }
    return best?.token;
  };
  const surprise = (token, step) => {
    for (let at = place.get(token).all + step; tokens[at]; at += step) {
      if (tokens[at].matches(".d, .e")) return tokens[at];
    }
    return undefined;
  };
  const beside = (token, step) => tokens[place.get(token).all + step];
  const moves = {
    ArrowLeft: (token) => beside(token, -1),
    ArrowRight: (token) => beside(token, 1),
    ArrowUp: (token) => across(token, -1),
    ArrowDown: (token) => across(token, 1),
    Home: (token) => token.parentElement.firstElementChild,
    End: (token) => token.parentElement.lastElementChild,
    n: (token) => surprise(token, 1),
    p: (token) => surprise(token, -1),
  };

  const tokenAt = (target) => target.closest?.(".told > span") ?? null;
  // When keys scroll, tokens pass below a mouse that rests, and that is no pointing.
  let mouse = "";
  const moved = ({ screenX, screenY }) => {
    const before = mouse;
    mouse = `${screenX} ${screenY}`;
    return mouse !== before;
  };
  document.addEventListener("mousemove", moved);
  document.addEventListener("mouseover", (event) => {
    if (!moved(event)) return;
    const target = event.target, token = tokenAt(target);
    if (token) show(token);
    else if (!panel.contains(target)) show(picked);
  });
  document.addEventListener("focusin", ({ target }) => {
    const token = tokenAt(target);
    if (token && token !== picked) pick(token);
  });
  document.addEventListener("click", ({ target, clientX }) => {
    if (!getSelection().isCollapsed || panel.contains(target)) return;
    const token = tokenAt(target), drawing = target.closest?.(".plot svg");
    if (token) pick(token);
    else if (drawing) {
      const text = texts.find((each) => plot(each) === drawing.parentElement);
      const box = drawing.getBoundingClientRect(), columns = drawing.viewBox.baseVal.width;
      const at = Math.floor((clientX - box.x) / box.width * columns) * shared(text);
      pick(text.children[Math.min(Math.max(at, 0), text.children.length - 1)]);
    } else {
      letGo();
      show(null);
    }
  });
  document.addEventListener("keydown", (event) => {
    const token = tokenAt(event.target), move = moves[event.key];
    if (!token || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      letGo();
      token.blur();
      show(null);
    } else if (move) {
      const to = move(token);
      if (to) pick(to);
      event.preventDefault();
    }
  });

  addEventListener("beforeprint", () => { // paper can't unfold
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
  for (const text of texts) {
    text.firstElementChild.setAttribute("tabindex", "0");
    text.firstElementChild.setAttribute("role", "button");
  }
  show(null);
})();
