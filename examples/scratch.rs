use std::sync::Arc;
use polyphony::{*, catalogue::*, clock::*, domain::*, store::*};
#[tokio::main]
async fn main() {
    let now = SystemClock.now();
    let t = std::time::Instant::now();
    let items = demo::catalogue(7, now, 384);
    eprintln!("catalogue {:?}", t.elapsed());
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let opts = store::embedded::EmbeddedOptions { path: dir.path().join("x.redb"), store: StoreOptions::default() };
    let st: Arc<dyn Store> = Arc::new(store::embedded::EmbeddedStore::open(opts, clock.clone()).unwrap());
    let cat = Arc::new(Catalogue::new(384, Span::hours(24)));
    let j = Arc::new(journal::Journal::off());
    let ing = ingest::Ingest { store: st.clone(), catalogue: cat.clone(), clock: clock.clone(), journal: j.clone() };
    let t = std::time::Instant::now();
    let ps = demo::personas(7, now, &items);
    let bg = demo::background(7, now, &items);
    ing.put_items(items).await.unwrap();
    eprintln!("put {:?}", t.elapsed());
    for p in &ps { let o = ing.learn(&p.events).await.unwrap(); eprintln!("{} {} {:?}", p.user, p.events.len(), o.iter().filter(|o| **o != ingest::Outcome::Accepted).count()); }
    ing.add_popularity(&bg).await;
    struct P; impl follow::Progress for P { fn loaded(&self,_:u64){} fn applied(&self,_:usize){} fn failed(&self,_:&StoreError){} }
    follow::load(&*st, &cat, &P).await.unwrap();
    eprintln!("ready {:?}", t.elapsed());
    let mut m = std::collections::BTreeMap::new();
    m.insert("home".to_string(), Arc::new(policy::ActivePolicy::new(Policy::default())));
    let f = feed::FeedService::new(st, cat, clock, j, Arc::new(feed::cursor::Signer::new([1;32])), policy::Surfaces(m));
    for u in ["ana","ben","chloe","dmitri","emi","farid","nobody"] {
        for d in [0.0f32, 0.2, 0.35, 0.5, 0.7, 1.0] {
            let r = feed::FeedRequest { request_id: "r".into(), surface: "home".into(), user: Some(UserId::new(u).unwrap()), personalise: true, limit: Some(20), diversity: Some(d), seed: Some(1), cursor: None, strict: false, exclude: vec![] };
            let t = std::time::Instant::now();
            let s = f.serve(&r).await.unwrap();
            let el = t.elapsed();
            println!("{u} d={d} ild {:.3} topics {} H {:.2} kept {:.3} expl {:.2} relaxed {} {:?} pool {}", s.metrics.ild, s.metrics.topics, s.metrics.topic_entropy, s.metrics.relevance_kept, s.metrics.exploration_share, s.page.relaxed.len(), el, s.feed.pool.len());
            if d == 0.0 || d == 0.35 { if u=="ana"||u=="emi" { for (i,p) in s.page.placed.iter().enumerate() { let pe=&s.feed.pool[p.pool_index as usize]; let e=s.snapshot.entry(s.snapshot.find(&pe.item).unwrap()).unwrap(); println!("  {:2} #{:<3} {:.2} {:?} {:?} {} | {}", i, p.pool_index, pe.relevance, p.slot, e.item.topics.iter().map(|t| t.0.to_string()).collect::<Vec<_>>(), e.item.creator.as_ref().map(|c| c.id.to_string()).unwrap_or_default(), e.item.title); } } }
        }
    }
    let r = feed::FeedRequest { request_id: "r".into(), surface: "home".into(), user: Some(UserId::new("ana").unwrap()), personalise: true, limit: Some(20), diversity: None, seed: Some(1), cursor: None, strict: false, exclude: vec![] };
    let t = std::time::Instant::now();
    for _ in 0..200 { f.serve(&r).await.unwrap(); }
    println!("first page {:?}", t.elapsed()/200);
}
