#include <unroll/core/graph/drawing/drawing.hpp>
#include <unroll/core/graph/drawing/text.hpp>

#include <nlohmann/json.hpp>

namespace unroll::graph::detail {

namespace {

// The page is self-contained: the pictures are text in the element #data, and the script shows one
// of them at a time in the element #stage.
constexpr const char* before = R"page(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>unroll</title>
<style>
  html, body { height: 100%; margin: 0; overflow: hidden; background: #fff; color: #2f3b4a;
               font: 14px Helvetica, Arial, sans-serif; }
  body { display: flex; flex-direction: column; }
  header { display: flex; gap: 8px; align-items: center; padding: 8px 12px;
           border-bottom: 1px solid #d5dde6; }
  #path { flex: 1; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  button, input { font: inherit; color: inherit; border: 1px solid #c3cfde; border-radius: 5px;
                  background: #f4f7fb; padding: 3px 9px; }
  #path button { border: 0; background: none; padding: 3px; color: #23649f; cursor: pointer; }
  #search { width: 15em; background: #fff; }
  #stage { flex: 1; position: relative; overflow: hidden; cursor: grab; touch-action: none; }
  #paper { position: absolute; transform-origin: 0 0; }
  #paper svg { display: block; }
  #results { position: absolute; right: 12px; top: 6px; z-index: 1; max-height: 70%; width: 24em;
             overflow: auto; background: #fff; border: 1px solid #c3cfde; border-radius: 5px; }
  #results:empty { display: none; }
  #results button { display: block; width: 100%; text-align: left; border: 0; background: none;
                    border-radius: 0; cursor: pointer; overflow-wrap: anywhere; }
  #results button:hover, #results button:focus { background: #e5edf7; }
  #results small { color: #7d8a99; }
  .module, .outside { cursor: pointer; }
  .module:hover path, .module:focus path { stroke: #23649f; stroke-width: 2.5; }
  .found path, .found polygon, .found ellipse { stroke: #d3541e; stroke-width: 3; }
</style>
</head>
<body>
<header>
  <span id="path"></span>
  <button id="close" title="Close this module (Esc)">Close</button>
  <input id="search" type="search" placeholder="Search names and shapes" autocomplete="off">
  <button id="out" title="Zoom out (-)">&minus;</button>
  <button id="in" title="Zoom in (+)">+</button>
  <button id="fit" title="Fit into the window (0)">Fit</button>
</header>
<main id="stage"><div id="paper"></div><div id="results"></div></main>
<script type="application/json" id="data">)page";

constexpr const char* after = R"page(</script>
<script>
'use strict';
const { modules, nodes } = JSON.parse(document.getElementById('data').textContent);
const [stage, paper, search, results, path] =
  ['stage', 'paper', 'search', 'results', 'path'].map(id => document.getElementById(id));
let open = 0, x = 0, y = 0, zoom = 1;

function move() {
  paper.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
}
function fit() {
  const svg = paper.firstElementChild;
  const [width, height] = [svg.clientWidth || 1, svg.clientHeight || 1];
  zoom = Math.min(1.5, (stage.clientWidth - 24) / width, (stage.clientHeight - 24) / height);
  x = (stage.clientWidth - width * zoom) / 2;
  y = Math.max(12, (stage.clientHeight - height * zoom) / 2);
  move();
}
function zoomBy(factor, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) {
  const next = Math.min(20, Math.max(0.02, zoom * factor));
  x = atX - (atX - x) * next / zoom;
  y = atY - (atY - y) * next / zoom;
  zoom = next;
  move();
}
function show(module, mark) {
  open = module;
  paper.innerHTML = modules[module].svg;
  document.body.dataset.module = module;
  document.getElementById('close').disabled = module === 0;
  for (const box of paper.querySelectorAll('.node.module')) {
    box.setAttribute('tabindex', 0);
    box.setAttribute('role', 'button');
  }
  path.replaceChildren();
  for (let m = module, last = true; ; m = modules[m].parent, last = false) {
    const step = document.createElement(last ? 'b' : 'button');
    step.textContent = modules[m].title;
    if (!last) step.onclick = () => show(m);
    path.prepend(...(m === 0 ? [step] : [' › ', step]));
    if (m === 0) break;
  }
  fit();
  const marked = mark && paper.querySelector('#' + mark);
  if (!marked) return;
  marked.classList.add('found');
  const a = marked.getBoundingClientRect(), b = stage.getBoundingClientRect();
  x += b.left + b.width / 2 - a.left - a.width / 2;
  y += b.top + b.height / 2 - a.top - a.height / 2;
  zoomBy(Math.max(1, 1 / zoom));
}
function close() {
  if (open !== 0) show(modules[open].parent, 'm' + open);
}
function press(box) {
  const number = Number(box.id.slice(1));
  if (box.classList.contains('module')) show(number);
  else if (box.classList.contains('outside') && nodes[number]) show(nodes[number].module, box.id);
}

function find() {
  const words = search.value.trim().toLowerCase().split(/\s+/);
  results.replaceChildren();
  if (words[0] === '') return;
  const has = text => words.every(word => text.toLowerCase().includes(word));
  const hits = [
    ...modules.map((m, i) => ({ text: m.title, where: m.parent, id: 'm' + i })).slice(1),
    ...nodes.map((n, i) => ({ text: n.text, where: n.module, id: 'n' + i })),
  ].filter(hit => has(hit.text + ' ' + modules[hit.where].path));
  for (const hit of hits.slice(0, 100)) {
    const entry = document.createElement('button'), place = document.createElement('small');
    place.textContent = modules[hit.where].path;
    entry.append(hit.text.slice(0, 200), ' ', place);
    entry.onclick = () => show(hit.where, hit.id);
    results.append(entry);
  }
  if (hits.length !== 0 && hits.length <= 100) return;
  const note = document.createElement('small');
  note.textContent = hits.length === 0 ? 'No matches.' : `and ${hits.length - 100} more`;
  results.append(note);
}

let drag = null;
stage.addEventListener('pointerdown', event => {
  if (event.button !== 0 || results.contains(event.target)) return;
  drag = { x: event.clientX, y: event.clientY, far: false,
           box: event.target.closest('.node.module, .node.outside') };
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener('pointermove', event => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (!drag.far && Math.hypot(dx, dy) < 4) return;
  Object.assign(drag, { x: event.clientX, y: event.clientY, far: true });
  x += dx;
  y += dy;
  move();
});
stage.addEventListener('pointerup', () => {
  if (drag && !drag.far && drag.box) press(drag.box);
  drag = null;
});
stage.addEventListener('pointercancel', () => { drag = null; });
stage.addEventListener('wheel', event => {
  if (results.contains(event.target)) return;
  event.preventDefault();
  const at = stage.getBoundingClientRect();
  zoomBy(Math.exp(-event.deltaY / 500), event.clientX - at.left, event.clientY - at.top);
}, { passive: false });
search.addEventListener('input', find);
search.addEventListener('keydown', event => {
  if (event.key === 'Enter') results.querySelector('button')?.click();
  if (event.key === 'Escape') { search.value = ''; find(); search.blur(); }
  event.stopPropagation();
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape') close();
  if (event.key === '+') zoomBy(1.3);
  if (event.key === '-') zoomBy(1 / 1.3);
  if (event.key === '0') fit();
  if (event.key === 'Enter' && event.target.matches?.('.node.module')) press(event.target);
});
document.getElementById('close').onclick = close;
document.getElementById('in').onclick = () => zoomBy(1.3);
document.getElementById('out').onclick = () => zoomBy(1 / 1.3);
document.getElementById('fit').onclick = fit;
window.addEventListener('resize', fit);
show(0);
</script>
</body>
</html>
)page";

// The SVG element without the prologue of a file.
std::string bare(const std::string& svg) {
    const auto begin = svg.find("<svg");
    return begin == std::string::npos ? svg : svg.substr(begin);
}

} // namespace

std::string page(const std::string& path, const Model& model, const Options& options) {
    nlohmann::json modules = nlohmann::json::array(), nodes = nlohmann::json::array();
    std::vector<std::string> pictures;
    for (std::uint32_t m = 0; m < model.modules.size(); ++m)
        pictures.push_back(to_dot(module_picture(model, m, options)));
    pictures = render(path, pictures, "svg");
    for (std::uint32_t m = 0; m < model.modules.size(); ++m) {
        const Module& module = model.modules[m];
        std::string title = m == 0 ? "all" : title_of(module);
        if (module.folded) title += " × " + format_thousands(module.count);
        modules.push_back({{"title", title},
                           {"path", model.path(m)},
                           {"parent", module.parent},
                           {"svg", bare(pictures[m])}});
    }
    for (const Item& item : model.items) {
        std::string text = item.name;
        for (const std::string& shape : item.shapes) text += " " + shape;
        nodes.push_back({{"text", text}, {"module", item.module}});
    }
    const nlohmann::json data{{"modules", modules}, {"nodes", nodes}};
    std::string text = data.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    // The data must not contain the end tag of its element.
    for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;)
        text.replace(at, 1, "\\u003c");
    return before + text + after;
}

} // namespace unroll::graph::detail
