//! Recovery after crashes: everything that was synced comes back, nothing but what was written does,
//! and what a recovered server writes next is found by the recovery after it.

use proptest::prelude::*;

use super::*;

/// A server's disk while it writes: what was written, and how much of it was synced.
#[derive(Clone, Debug)]
struct Server {
    disk: Disk,
    open: Option<FileName>,
    last: Zxid,
    written: Vec<(Zxid, Vec<u8>)>,
    synced: usize,
    synced_len: usize,
    /// What the witness says, or said before the last sync: it is written behind it, and not synced at once.
    witnesses: [usize; 2],
}

#[derive(Clone, Debug)]
enum Act {
    Append { len: usize, byte: u8 },
    NewEpoch,
    Sync,
    Roll,
    Crash { sectors: Vec<prop::sample::Index>, padding: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let sectors = prop::collection::vec(any::<prop::sample::Index>(), 1..20);
    prop_oneof![
        10 => (0_usize..1300, any::<u8>()).prop_map(|(len, byte)| Act::Append { len, byte }),
        1 => Just(Act::NewEpoch),
        3 => Just(Act::Sync),
        1 => Just(Act::Roll),
        2 => (sectors, prop_oneof![Just(0), 0_usize..3000])
            .prop_map(|(sectors, padding)| Act::Crash { sectors, padding }),
    ]
}

impl Server {
    fn new() -> Server {
        Server {
            disk: disk(&[snapshot(Zxid::ZERO)]),
            open: None,
            last: zxid(1, 0),
            written: Vec::new(),
            synced: 0,
            synced_len: 0,
            witnesses: [0, 0],
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append { len, byte } => self.append(&vec![*byte; *len]),
            Act::NewEpoch => self.last = Zxid::new(Epoch(self.last.epoch().0 + 1), 0),
            Act::Sync => self.sync(),
            // A log is synced before the next one is begun.
            Act::Roll => {
                self.sync();
                self.open = None;
            }
            Act::Crash { sectors, padding } => {
                self.crash(sectors, *padding);
                self.recover();
            }
        }
    }

    fn append(&mut self, body: &[u8]) {
        let synced = self.synced.checked_sub(1).map_or(Zxid::ZERO, |last| self.written[last].0);
        self.last = self.last.next().unwrap();
        let file = *self.open.get_or_insert_with(|| {
            self.synced_len = 0;
            FileName::Log(self.last)
        });
        let bytes = self.disk.entry(file).or_default();
        if bytes.is_empty() {
            append_header(bytes, synced);
        }
        append_record(bytes, &txn(self.last, body), synced);
        self.written.push((self.last, txn(self.last, body)));
    }

    fn sync(&mut self) {
        self.synced = self.written.len();
        self.witnesses = [self.witnesses[1], self.synced];
        self.synced_len = self.open.map_or(0, |open| self.disk[&open].len());
    }

    /// Each sector of the unsynced bytes is as it was at some moment since the sync; the file may
    /// have been allocated further than it was written, or end early.
    fn crash(&mut self, sectors: &[prop::sample::Index], padding: usize) {
        let Some(open) = self.open.take() else { return };
        let bytes = self.disk.get_mut(&open).unwrap();
        let (len, synced_len) = (bytes.len(), self.synced_len);
        for (at, byte) in bytes.iter_mut().enumerate().skip(synced_len) {
            let unsynced = len - synced_len + 1;
            let reached = synced_len + sectors[at / 512 % sectors.len()].index(unsynced);
            if at >= reached {
                *byte = 0;
            }
        }
        if padding == 0 {
            bytes.truncate(synced_len + sectors[0].index(len - synced_len + 1));
        }
        bytes.resize(bytes.len() + padding, 0);
    }

    /// Recovers, does what recovery says, and goes on from there.
    fn recover(&mut self) {
        for witness in self.witnesses {
            let synced = witness.checked_sub(1).map_or(Zxid::ZERO, |last| self.written[last].0);
            let by = super::damage::rule(synced);
            let told = recover_by(&self.disk, by).expect("no crash is called damage");
            let sure = told.sure.filter(|sure| self.disk.contains_key(&sure.file));
            assert!(sure.is_none_or(|sure| sure.len <= self.disk[&sure.file].len()));
        }
        let recovered = recover(&self.disk).expect("no crash is called damage");
        let found = recovered.tail.len();
        assert!(found >= self.synced, "{found} found, {} synced", self.synced);
        self.written.truncate(found);
        assert!(
            recovered.tail.iter().map(|(zxid, txn)| (*zxid, txn.to_vec())).eq(self.written.clone())
        );
        if let Some(Truncate { file, len }) = recovered.truncate {
            self.disk.get_mut(&file).unwrap().truncate(len);
        }
        for file in &recovered.remove {
            self.disk.remove(file);
        }
        self.last = recovered.last_zxid().max(Zxid::new(self.last.epoch(), 0));
        if self.last.epoch() > recovered.last_zxid().epoch() || found == 0 {
            self.last = Zxid::new(self.last.epoch(), 0);
        }
        self.synced = found;
        self.witnesses = [found, found];
        let again = recover(&self.disk).unwrap();
        assert_eq!((again.tail, again.truncate), (recovered.tail, None));
        assert!(again.remove.is_empty());
    }
}

proptest! {
    #[test]
    fn what_was_synced_comes_back_crash_after_crash(acts in prop::collection::vec(act(), 0..60)) {
        let mut server = Server::new();
        for act in &acts {
            server.act(act);
        }
        server.open = None;
        server.synced = server.written.len();
        server.recover();
    }

    #[test]
    fn no_bytes_panic(
        files in prop::collection::vec((any::<bool>(), 0_u64..5, any::<Vec<u8>>(), 0_u8..4), 0..6),
    ) {
        let mut disk = Disk::new();
        for (is_log, at, bytes, begin) in files {
            let (name, whole) = match is_log {
                true => log(&[Zxid(at), Zxid(at + 1)]),
                false => snapshot(Zxid(at)),
            };
            let keep = whole.len() * usize::from(begin) / 3;
            disk.insert(name, [&whole[..keep], &bytes].concat());
        }
        let _ = recover(&disk);
    }
}
