//! Encoding and decoding: requests of clients, proposals between servers, transactions.

use std::hint::black_box;

use benches::samples::{create_request, create_txn, set_request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keeper_core::jute::{Encode, Reader, from_bytes, to_bytes};
use keeper_core::txn::{decode_txn, encode_txn};
use keeper_core::wire::client::{
    Frames, OpCode, ReplyHeader, Request, RequestHeader, Response, encode_reply, encode_request,
};
use keeper_core::wire::quorum::{PacketKind, QuorumDecoder, QuorumPacket};
use keeper_core::{error::Code, ids::Zxid, record::Stat};

/// Packets of one buffer that a decoder is given.
const PACKETS: u64 = 64;

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for (name, request) in [("create", create_request(7)), ("set", set_request(7))] {
        group.bench_function(format!("encode request, {name}"), |bencher| {
            let mut out = Vec::with_capacity(512);
            bencher.iter(|| {
                out.clear();
                encode_request(black_box(9), black_box(&request), &mut out);
                out.len()
            });
        });
        let mut body = Vec::new();
        request.encode_body(&mut body);
        let op = request.op();
        group.bench_function(format!("decode request, {name}"), |bencher| {
            bencher.iter(|| Request::decode_body(op, &mut Reader::new(black_box(&body))));
        });
    }
    let header = ReplyHeader { xid: 9, zxid: Zxid(77), code: Code::Ok };
    let response = Response::Stat(Stat::default());
    group.bench_function("encode reply, set", |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            encode_reply(black_box(&header), black_box(&response), &mut out);
            out.len()
        });
    });
    group.throughput(Throughput::Elements(PACKETS));
    let mut stream = Vec::new();
    (0..PACKETS).for_each(|each| encode_request(each as i32, &set_request(each), &mut stream));
    group.bench_function("split and decode 64 requests", |bencher| {
        bencher.iter(|| {
            let mut frames = Frames::new(Frames::DEFAULT_MAX_BYTES);
            frames.push(black_box(&stream));
            let mut decoded = 0_u64;
            while let Ok(Some(frame)) = frames.next_frame() {
                let mut reader = Reader::new(&frame);
                let header: RequestHeader =
                    keeper_core::jute::Decode::decode(&mut reader).expect("it was encoded");
                assert_eq!(header.op, OpCode::SetData);
                Request::decode_body(header.op, &mut reader).expect("it was encoded");
                decoded += 1;
            }
            assert_eq!(decoded, PACKETS);
        });
    });
    group.finish();
}

fn proposals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    let txn = create_txn(7);
    let mut bytes = Vec::new();
    encode_txn(&txn, None, &mut bytes);
    group.bench_function("encode transaction", |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            encode_txn(black_box(&txn), None, &mut out);
            out.len()
        });
    });
    group.bench_function("decode transaction", |bencher| {
        bencher.iter(|| decode_txn(black_box(&bytes)).expect("it was encoded"));
    });
    let packet = QuorumPacket::with_data(PacketKind::Proposal, Zxid(7), bytes);
    group.bench_function("encode proposal", |bencher| {
        bencher.iter(|| to_bytes(black_box(&packet)));
    });
    let encoded = to_bytes(&packet);
    group.bench_function("decode proposal", |bencher| {
        bencher.iter(|| from_bytes::<QuorumPacket>(black_box(&encoded)).expect("it was encoded"));
    });
    group.throughput(Throughput::Elements(PACKETS));
    let mut stream = Vec::new();
    (0..PACKETS).for_each(|_| packet.encode(&mut stream));
    group.bench_function("split and decode 64 proposals", |bencher| {
        bencher.iter(|| {
            let mut decoder = QuorumDecoder::new(Frames::DEFAULT_MAX_BYTES);
            decoder.push(black_box(&stream));
            let mut decoded = 0_u64;
            while let Ok(Some(_)) = decoder.next_packet() {
                decoded += 1;
            }
            assert_eq!(decoded, PACKETS);
        });
    });
    group.finish();
}

criterion_group!(benches, requests, proposals);
criterion_main!(benches);
