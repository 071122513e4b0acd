use scenarios::registry::SCENARIOS;
use scenarios::run::run_plan;
use sim::cluster::RunOptions;
fn main() {
    let mut args = std::env::args().skip(1);
    let from: u64 = args.next().unwrap().parse().unwrap();
    let to: u64 = args.next().unwrap().parse().unwrap();
    let only = args.next();
    let mut bad = 0;
    for seed in from..to {
        for s in &SCENARIOS {
            if only.as_deref().is_some_and(|o| o != s.name) { continue; }
            let plan = s.plan(seed);
            let t = std::time::Instant::now();
            let o = run_plan(&plan, &RunOptions::default());
            let wall = t.elapsed().as_millis();
            println!("{} {} {:?} {}ms ops={} acked={:?}", s.name, seed, match &o.verdict { scenarios::judge::Verdict::Pass => "pass".to_string(), v => { bad += 1; format!("{v:#?}").chars().take(2500).collect() } }, wall, plan.operations.len(), o.stats);
        }
    }
    println!("bad {bad}");
}
