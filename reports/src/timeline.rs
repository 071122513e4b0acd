//! `timeline.html`: what clients asked and were told over time, beside what struck and which roles
//! changed hands.
//!
//! The page opens on the operations around the contradiction and on everything else that the explanation
//! speaks of, beside the servers if the contradiction is one of theirs, and on what they logged; the rest
//! of the run is there in parts to unfold. It needs nothing from elsewhere and is readable without its script, which adds zoom,
//! a filter and a panel. Bars and bands carry their exact times as `data-` attributes.

mod bars;
mod chunk;
mod heights;
mod log;
mod notes;
mod overview;
mod parts;
mod servers;
#[cfg(test)]
mod tests;
mod words;

use std::fmt::Write as _;

use evidence::words::{count, moment};
use evidence::{Operation, OutcomeClass, Story, Tone};

use chunk::chunk;
use log::log;
use overview::overview;
use parts::{Part, Parts};

use crate::story::{outcome_class, outcome_colour};
use crate::style::{Family, escape, page};

const STYLE: &str = "\
main svg text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--text)}
main svg text.name{font:600 13px system-ui,'DejaVu Sans',sans-serif}
main svg text.soft{fill:var(--soft)}main svg text.bad{fill:var(--bad)}
main svg text.fault{fill:var(--text)}
main table{min-width:32rem}main th,main td{overflow-wrap:normal}
main td:first-child{min-width:1.6em}
body{max-width:1280px}svg.chunk{display:block}figure.wide svg{min-width:1000px}
.op rect{fill-opacity:.55;stroke-opacity:.8;stroke-width:.8}
.op.ok rect,.tick.ok{fill:var(--ok);stroke:var(--ok)}
.op.error rect,.tick.error{fill:var(--error);stroke:var(--error)}
.op.unknown rect,.tick.unknown{fill:var(--unknown);stroke:var(--unknown)}
.op.unknown rect{stroke-dasharray:4 2}
.op.unsent rect,.tick.unsent{fill:var(--unsent);stroke:var(--unsent)}
.op.told rect{stroke-opacity:1;stroke-width:1.5}
.op rect.frame,.said.told rect{fill:none;stroke:var(--bad);stroke-width:2;stroke-opacity:1;stroke-dasharray:none}
.op.told:target rect.frame{stroke-width:4}.op:target rect{stroke-width:3;stroke-opacity:1}
.op text{paint-order:stroke;stroke:var(--back);stroke-width:3px;stroke-linejoin:round}
.tone{stroke:none}.tone.role{fill-opacity:.22}figure .tone.role{fill-opacity:.6}.tone.edge{fill-opacity:.9}
.primary{fill:var(--primary)}.secondary{fill:var(--secondary)}.unsettled{fill:var(--unsettled)}
.down{fill:var(--down)}.paused{fill:var(--paused)}.cut{fill:var(--network)}
.said.role text{font-weight:600}.said.durable text{font-style:italic}
.said.worst rect{stroke-width:3}main .said.worst text{font-weight:600}
.op.dim,.tick.dim{opacity:.15}.op{cursor:pointer}
.tick{stroke-width:.6}.tick.told{stroke:var(--bad);fill:var(--bad)}
.grid{stroke:var(--grid)}line.role{stroke:var(--primary);stroke-width:1.5;stroke-dasharray:5 3}
main svg text.role{fill:var(--primary)}
.focus{fill:var(--bad);fill-opacity:.1;stroke:var(--bad);stroke-opacity:.6}
.event{stroke:var(--bad);stroke-width:1.5}
.over{paint-order:stroke;stroke:var(--back);stroke-width:4px;stroke-linejoin:round}
.band{stroke:none}.band.side{fill-opacity:.85}
.network{fill:var(--network)}.process{fill:var(--process)}.disk{fill:var(--disk)}
.clock{fill:var(--clock)}.membership{fill:var(--membership)}.other{fill:var(--other)}
tr.worst td{color:var(--bad);font-weight:600}
table.log td{font-size:.86em;padding-top:.1rem;padding-bottom:.1rem}table.log td:first-child{min-width:5em}
table.log td.mono{white-space:pre-wrap;overflow-wrap:anywhere;width:100%}
tr.warning td,tr.severe td{font-weight:600}tr[data-after] td{color:var(--soft)}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 .9em}
#tools{position:sticky;top:0;background:var(--back);padding:.4rem 0;z-index:1;
border-bottom:1px solid var(--rule)}
#tools[hidden],#panel[hidden]{display:none}
#tools button,#tools input{font:inherit;color:inherit;background:var(--card);
border:1px solid var(--rule);border-radius:4px;padding:.15rem .6rem;max-width:60%}
#panel{position:fixed;right:1rem;bottom:1rem;max-width:min(32rem,90vw);white-space:pre-wrap;
background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:.6rem .8rem;
box-shadow:0 2px 12px rgba(0,0,0,.25)}
";

/// Without the two characters that markup would have to escape.
const SCRIPT: &str = "\
(function () {
  var all = function (query) { return Array.prototype.slice.call(document.querySelectorAll(query)); };
  var by = function (id) { return document.getElementById(id); };
  var zoom = 1;
  var scale = function (factor) {
    zoom = Math.min(4, Math.max(0.25, zoom * factor));
    all('svg.chunk').forEach(function (svg) {
      svg.setAttribute('width', svg.viewBox.baseVal.width * zoom);
      svg.setAttribute('height', svg.viewBox.baseVal.height * zoom);
    });
  };
  by('tools').hidden = false;
  by('closer').onclick = function () { scale(1.25); };
  by('further').onclick = function () { scale(0.8); };
  by('filter').oninput = function () {
    var words = this.value.toLowerCase();
    all('.op, .tick').forEach(function (op) {
      op.classList.toggle('dim', op.querySelector('title').textContent.toLowerCase().indexOf(words) === -1);
    });
  };
  document.addEventListener('click', function (event) {
    var link = event.target.closest('a[href^=\"#\"]');
    var target = link ? by(link.getAttribute('href').slice(1)) : null;
    var part = target ? target.closest('details') : null;
    if (part) { part.open = true; }
    var op = event.target.closest('.op, .tick, .band');
    by('panel').hidden = !op;
    if (op) { by('panel').textContent = op.querySelector('title').textContent; }
  });
}());
";

/// What scripts make use of. The filter's example is of this run: a kind of operation and a client.
fn tools(story: &Story) -> String {
    let first = story.history.operations.first();
    let example = first.map_or_else(String::new, |operation| {
        format!(": {}, {}, unknown", escape(&operation.kind), escape(&operation.client_name))
    });
    format!(
        "<div id=\"tools\" hidden=\"hidden\"><button id=\"closer\">zoom in</button> \
         <button id=\"further\">zoom out</button> <input id=\"filter\" type=\"search\" \
         placeholder=\"filter{example}\" aria-label=\"filter operations\"/></div>\n"
    )
}

/// The text of the file.
pub(crate) fn timeline(story: &Story) -> String {
    let parts = Parts::new(story);
    let mut body = format!("<style>\n{STYLE}</style>\n<main>\n<h1>{}</h1>\n", escape(&story.title));
    body.push_str(&explanation(story));
    body.push_str("<h2>The whole run</h2>\n");
    body.push_str(&legend(story));
    body.push_str(&overview(story, (parts.focus.from_ns, parts.focus.to_ns)));
    body.push_str(&tools(story));
    let focus = &parts.focus;
    let what = if story.contradiction.is_some() { "Around the contradiction" } else { "A part" };
    let when = between(focus.from_ns, focus.to_ns);
    let _ = writeln!(body, "<h2 id=\"focus\">{what}: {when}</h2>");
    let _ = writeln!(body, "<div class=\"scroll\">{}</div>", chunk(story, focus));
    body.push_str(&log(story, focus));
    body.push_str("<h2>The rest of the run</h2>\n");
    let unfolded = |part: &Part| {
        let (summary, chunk) = (escape(&summary(story, part)), chunk(story, part));
        format!(
            "<details><summary>{summary}</summary><div class=\"scroll\">{chunk}</div></details>\n"
        )
    };
    body.extend(parts.before.iter().map(unfolded));
    let _ = writeln!(body, "<p class=\"soft\"><a href=\"#focus\">{when}</a>: above</p>");
    body.extend(parts.after.iter().map(unfolded));
    body.push_str(&beside(story));
    let _ = writeln!(
        body,
        "</main>\n<div id=\"panel\" hidden=\"hidden\"></div>\n<script>\n{SCRIPT}</script>"
    );
    page(&format!("Timeline: {}", story.title), &body)
}

/// The files beside this one, and how to open them.
fn beside(story: &Story) -> String {
    let log = match story.log.is_empty() {
        true => "",
        false => "<li><a href=\"log.jsonl\">log.jsonl</a>: what programs logged</li>\n",
    };
    format!(
        "<h2>Beside this page</h2>\n<ul>\n\
         <li><a href=\"messages.svg\">messages.svg</a>: who said what to whom before the \
         contradiction</li>\n{log}\
         <li><a href=\"trace.perfetto.json\">trace.perfetto.json</a>: open it in ui.perfetto.dev or \
         chrome://tracing</li>\n\
         <li><a href=\"shiviz.log\">shiviz.log</a>: for ShiViz with its default parser, \
         <code>(?&lt;event&gt;.*)\\n(?&lt;host&gt;\\S*) (?&lt;clock&gt;{{.*}})</code></li>\n\
         <li><a href=\"explanation.txt\">explanation.txt</a>, <a href=\"history.txt\">history.txt</a>, \
         <a href=\"plan.json\">plan.json</a></li>\n</ul>\n"
    )
}

fn between(from_ns: u64, to_ns: u64) -> String {
    format!("{} … {}", moment(from_ns).trim_end_matches(" s"), moment(to_ns))
}

fn legend(story: &Story) -> String {
    let mut text = "<p class=\"soft\">Operations:".to_owned();
    let key = |text: &mut String, colour: &str, name: &str| {
        let style = format!("background:var(--{colour})");
        let name = escape(name);
        let _ = write!(text, "<span class=\"key\" style=\"{style}\"></span>{name}");
    };
    let has = |outcome| story.history.operations.iter().any(|o| o.outcome == outcome);
    for (outcome, name) in [
        (OutcomeClass::Ok, "answered"),
        (OutcomeClass::Refused, "refused"),
        (OutcomeClass::Unknown, "no answer"),
        (OutcomeClass::NotSent, "not sent"),
    ] {
        if outcome != OutcomeClass::NotSent || has(outcome) {
            key(&mut text, outcome_colour(outcome), name);
        }
    }
    text.push_str(" &#160; Faults:");
    for family in Family::all(&story.families, &story.faults) {
        key(&mut text, family.class(), family.name());
    }
    if story.is_of_servers() {
        text.push_str(" &#160; Servers:");
        for tone in Tone::ALL.into_iter().filter(|tone| story.spans.iter().any(|s| s.tone == *tone))
        {
            // What cuts hosts off is the network.
            let colour = if tone == Tone::Cut { "network" } else { tone.name() };
            key(&mut text, colour, story.tone_words(tone));
        }
    }
    text + "</p>\n"
}

/// What is wrong, as a table whose rows lead to their operations.
fn explanation(story: &Story) -> String {
    let Some(contradiction) = &story.contradiction else {
        return "<p>Nothing contradicts anything.</p>\n".to_owned();
    };
    let explanation = &contradiction.explanation;
    let mut text = format!(
        "<p class=\"bad\"><b>{}</b>: {}</p>\n<div class=\"scroll\"><table><tr><th></th><th>who</th>\
         <th>what</th><th>when</th><th></th></tr>\n",
        escape(&explanation.property),
        escape(&explanation.headline),
    );
    for (number, line) in explanation.lines.iter().enumerate() {
        let when = match (line.from_ns, line.to_ns) {
            (Some(from), Some(to)) if from == to => moment(from),
            (Some(from), Some(to)) => between(from, to),
            (Some(from), None) => format!("{} … never", moment(from)),
            (None, _) => String::new(),
        };
        let operations = &story.history.operations;
        let told = operations.iter().position(|o| story.line_of(o) == Some(number));
        let what = match told {
            Some(index) => format!("<a href=\"#op{index}\">{}</a>", escape(&line.text)),
            None => escape(&line.text),
        };
        let is_worst = story.is_contradiction(number);
        let (class, mark) =
            if is_worst { (" class=\"worst\"", " ← contradiction") } else { ("", "") };
        let _ = writeln!(
            text,
            "<tr{class}><td>{}</td><td>{}</td><td class=\"mono\">{what}</td><td>{when}</td>\
             <td>{}{mark}</td></tr>",
            number + 1,
            escape(&line.client),
            escape(&line.note),
        );
    }
    text + "</table></div>\n"
}

/// What a part holds, in a line.
fn summary(story: &Story, part: &Part) -> String {
    let is_in = |at_ns: u64| part.has(at_ns);
    let operations: Vec<&Operation> =
        story.history.operations.iter().filter(|o| is_in(o.invoke_ns)).collect();
    let with = |class: &str| operations.iter().filter(|o| outcome_class(o) == class).count();
    let mut text = format!(
        "{}: {}, {} refused, {} without an answer",
        between(part.from_ns, part.to_ns),
        count(operations.len() as u64, "operation"),
        with("error"),
        with("unknown"),
    );
    let faults = story.faults.iter().filter(|fault| is_in(fault.from_ns));
    faults.for_each(|fault| text.push_str(&format!("; {} {}", fault.kind, fault.what)));
    let roles = story.roles.iter().filter(|role| is_in(role.at_ns));
    roles.for_each(|role| text.push_str(&format!("; {}", role.what)));
    text
}

/// What an operation says when it is pointed at.
fn details(story: &Story, index: usize) -> String {
    let operation = &story.history.operations[index];
    let when = match operation.complete_ns {
        Some(to_ns) => between(operation.invoke_ns, to_ns),
        None => format!("{} … never", moment(operation.invoke_ns)),
    };
    let mut text = format!("{}: {}\n{when}", operation.client_name, operation.text());
    let _ = write!(text, "\n{}", outcome_class(operation));
    let detail = Some(&operation.asked_detail).filter(|detail| !detail.is_empty());
    for more in operation.session.iter().chain(detail).chain(&operation.position) {
        let _ = write!(text, ", {more}");
    }
    if let Some(line) = story.line_of(operation) {
        let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
        let note = lines.into_iter().nth(line).map_or("", |line| line.note.as_str());
        let _ = write!(text, "\nline {} of the explanation: {note}", line + 1);
    }
    text
}
