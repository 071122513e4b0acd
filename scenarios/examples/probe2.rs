use scenarios::registry::scenario;
use scenarios::run::run_plan;
use sim::cluster::RunOptions;
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let plan = scenario(&a[0]).unwrap().plan(a[1].parse().unwrap());
    let o = run_plan(&plan, &RunOptions::default());
    let h = &o.history;
    for f in o.failures() { println!("{}", f.headline); for l in &f.lines { println!("   {} {} {:?} {:?} {}", l.client, l.text, l.from_ns, l.to_ns, l.note);} }
    let mut lines: Vec<(u64, String)> = vec![];
    for op in &h.operations { if a.len() < 3 || format!("{op:?}").contains(&a[2]) { lines.push((op.invoke_ns, format!("{op:?}"))); } }
    for e in &h.sessions { lines.push((e.at_ns, format!("{e:?}"))); }
    for e in &h.watches { lines.push((e.at_ns, format!("{e:?}"))); }
    if a.len() > 3 { if let Some(r) = &o.record { for e in &r.observations { lines.push((e.at_ns, format!("n{} {:?}", e.server, e.observation))); } for f in &r.faults { lines.push((f.from_ns, format!("FAULT {f:?}"))); } } }
    lines.sort();
    for (t, l) in lines { println!("{:>9.3} {}", t as f64 / 1e9, l); }
}
