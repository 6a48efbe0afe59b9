//! The golden cases in `vectors/`, which clients in other languages read too. They change only with the protocol:
//! `UPDATE_VECTORS=1 cargo test -p tributary-protocol --test rules vectors` rewrites them.

use codec::Encode;
use primitive_types::U256;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use tributary_protocol::{
    ChannelId, ContentHash, ContributionId, JobId, ModelId, Ppm,
    channel::Due,
    content::{MerkleTree, SampleTree, salted_sample_leaf, sample_leaf, sample_salt, tree_root, version_root},
    datanet::{SampleCommitment, VersionEntry},
    earnings::Earnings,
    epoch::{AUDIT_DRAWS, AmountLeaf, AmountTree, Audit, EpochDomain},
    model::Prices,
    receipt::{Receipt, ReceiptShare, ReceiptTree},
    sample::{Limits, ParsedSamples},
    share::{accrue, apportion, claimable, split},
    stream::{SHARE_UNITS, Split},
    sum_tree::{Domain, SumLeaf, SumTree},
    trace::{StepRecord, batch_hash, trace_root},
    voucher::{SignedVoucher, Voucher},
};

fn check(name: &str, cases: Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        let golden = fs::read_to_string(&path).unwrap();
        assert!(golden == text, "{name} differs: the protocol changed. If it was meant to, run with UPDATE_VECTORS=1");
    }
}

fn leaf_bytes(count: u64) -> Vec<String> {
    (0..count).map(|n| format!("leaf {n}")).collect()
}

fn hashes<'a>(hashes: impl IntoIterator<Item = &'a tributary_protocol::ContentHash>) -> Vec<String> {
    hashes.into_iter().map(ToString::to_string).collect()
}

/// All sizes whose trees differ in kind, with every proof; of a large one, some.
const SIZES: [(u64, &[u64]); 11] = [
    (0, &[]),
    (1, &[0]),
    (2, &[0, 1]),
    (3, &[0, 1, 2]),
    (4, &[0, 1, 2, 3]),
    (5, &[0, 1, 2, 3, 4]),
    (6, &[0, 1, 2, 3, 4, 5]),
    (7, &[0, 1, 2, 3, 4, 5, 6]),
    (8, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    (1000, &[0, 1, 511, 512, 767, 768, 998, 999]),
];

#[test]
fn samples() {
    let accepted = [
        r#"{"prompt":"p","completion":"c"}"#,
        r#" { "completion" : "c" , "prompt" : "two  spaces stay" } "#,
        r#"{"instruction":"Add.","input":"1 and 2","output":"3"}"#,
        r#"{"instruction":"Greet.","input":"","output":"Hello."}"#,
        r#"{"prompt":"\u0041\u00e9\/\u000a\u001F\"\\\ud83d\ude00","completion":"\b\f\n\r\t\u007f"}"#,
        r#"{"prompt":"keys","completion":"c","\ufb33":1,"😀":2,"é":3,"e":4,"":5}"#,
        r#"{"prompt":"numbers","completion":"c","a":1.50,"b":1e2,"c":-0,"d":1E-7,"e":0.000001,"f":9007199254740991}"#,
        r#"{"prompt":"bare","completion":"c","a":true,"b":false,"c":null}"#,
    ];
    let refused = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"prompt":"p"}"#,
        r#"{"prompt":"","completion":"c"}"#,
        r#"{"prompt":"p","completion":"c","output":"o"}"#,
        r#"{"prompt":"p","completion":"c","a":{}}"#,
        r#"{"prompt":"p","completion":"c","a":1,"a":1}"#,
        r#"{"prompt":"p","completion":"c","a":9007199254740992}"#,
        r#"{"prompt":1,"completion":"c"}"#,
        r#"{"prompt":"\ud800","completion":"c"}"#,
    ];
    let file = ParsedSamples::parse(accepted.join("\n").as_bytes(), &Limits::DEFAULT).unwrap();
    let lines: Vec<_> = accepted
        .iter()
        .zip(file.lines())
        .map(|(source, line)| {
            json!({
                "source": source, "canonical": line.text(), "leaf": line.hash(),
                "prompt": line.sample().prompt, "completion": line.sample().completion,
            })
        })
        .collect();
    for line in refused {
        assert!(ParsedSamples::parse(line.as_bytes(), &Limits::DEFAULT).is_err(), "{line}");
    }
    check("samples.json", json!({ "accepted": lines, "commitment": file.commitment(), "refused": refused }));
}

#[test]
fn sample_tree() {
    let trees: Vec<_> = SIZES
        .iter()
        .map(|(size, some)| {
            let tree = MerkleTree::<SampleTree>::new(leaf_bytes(*size));
            let inclusion: Vec<_> = some
                .iter()
                .map(|index| json!({ "index": index, "path": hashes(&tree.prove_inclusion(*index).unwrap().path) }))
                .collect();
            let consistency: Vec<_> = some
                .iter()
                .map(|last| last + 1)
                .map(|old| {
                    json!({
                        "old_leaves": old,
                        "old_root": tree_root::<SampleTree, _>(leaf_bytes(old)).root,
                        "path": hashes(&tree.prove_consistency(old).unwrap().path),
                    })
                })
                .collect();
            json!({ "leaves": size, "root": tree.head().root, "inclusion": inclusion, "consistency": consistency })
        })
        .collect();
    let (secret, line) = ([7; 32], "leaf 0");
    let salt = sample_salt(&secret, 3);
    let entries = |count| {
        (1..=count).map(|n: u32| VersionEntry {
            contribution: ContributionId(n.into()),
            samples: SampleCommitment {
                root: tree_root::<SampleTree, _>(leaf_bytes(n.into())).root,
                blob: sample_leaf(&n.to_le_bytes()),
                samples: n,
                bytes: 100 * u64::from(n),
            },
        })
    };
    let versions: Vec<_> = (0..=3).map(|count| json!({
        "entries": entries(count).map(|entry| json!({ "entry": entry, "scale": hex::encode(entry.encode()) })).collect::<Vec<_>>(),
        "root": version_root(entries(count)),
    })).collect();
    check(
        "sample_tree.json",
        json!({
            "leaf_bytes": "the text `leaf N`, N from 0",
            "leaf_0": sample_leaf(line.as_bytes()),
            "salted": { "secret": hex::encode(secret), "index": 3, "salt": hex::encode(salt), "leaf_0": salted_sample_leaf(&salt, line.as_bytes()) },
            "trees": trees,
            "versions": versions,
        }),
    );
}

#[test]
fn sum_tree() {
    let domain = Domain { genesis: [7; 32], job: JobId(42) };
    let leaf = |index: u32| SumLeaf {
        index,
        contribution: ContributionId(100 + u64::from(index)),
        contributor: [(index % 256) as u8; 32],
        units: u64::from(index) * u64::from(index) + 1,
        evidence: ContentHash([(index % 251) as u8; 32]),
    };
    let trees: Vec<_> = SIZES
        .iter()
        .map(|(size, some)| {
            let tree = SumTree::new(&domain, (0..*size as u32).map(leaf).collect()).unwrap();
            let proofs: Vec<_> = some
                .iter()
                .map(|index| {
                    let proof = tree.prove(*index as u32).unwrap();
                    let siblings: Vec<_> =
                        proof.siblings.iter().map(|node| json!({ "hash": node.hash, "sum": node.sum })).collect();
                    json!({ "index": index, "siblings": siblings, "scale": hex::encode(proof.encode()) })
                })
                .collect();
            json!({ "root": tree.root(), "proofs": proofs })
        })
        .collect();
    check(
        "sum_tree.json",
        json!({
            "domain": { "genesis": hex::encode(domain.genesis), "job": domain.job },
            "leaf": "index i: contribution 100 + i, contributor 32 times the byte i mod 256, units i * i + 1, evidence 32 times the byte i mod 251",
            "trees": trees,
        }),
    );
}

#[test]
fn epochs() {
    let domain = EpochDomain { genesis: [7; 32], model: ModelId(5), operator: [9; 32], epoch: 3 };
    let leaf = |index: u32| AmountLeaf {
        index,
        contribution: ContributionId(100 + u64::from(index)),
        contributor: [(index % 256) as u8; 32],
        units: u128::from(index) << 70,
        evidence: ContentHash([(index % 251) as u8; 32]),
    };
    let trees: Vec<_> = [0u32, 1, 2, 5]
        .iter()
        .map(|size| {
            let tree = AmountTree::new(&domain, (0..*size).map(leaf).collect()).unwrap();
            let root = tree.root();
            let proofs: Vec<_> = (0..*size).map(|index| hex::encode(tree.prove(index).unwrap().encode())).collect();
            json!({ "root": root.root, "total": root.total.to_string(), "leaves": root.leaves, "proofs": proofs })
        })
        .collect();
    let audit = Audit::new([4; 32], 0);
    let total = 1u128 << 100;
    let points: Vec<_> =
        [0, 1, 2, 150, AUDIT_DRAWS - 1].map(|draw| json!([draw, audit.point(draw, total).unwrap().to_string()])).into();
    check(
        "epochs.json",
        json!({
            "domain": { "genesis": hex::encode(domain.genesis), "model": domain.model, "operator": hex::encode(domain.operator), "epoch": domain.epoch },
            "leaf": "index i: contribution 100 + i, contributor 32 times the byte i mod 256, amount i * 2^70, evidence 32 times the byte i mod 251",
            "trees": trees,
            "audit": { "seed": hex::encode(audit.seed), "total": total.to_string(), "draws": AUDIT_DRAWS, "points": points },
        }),
    );
}

#[test]
fn earnings() {
    let training = [499_999_999u64, 300_000_001, 200_000_000, 0];
    let attributed = Ppm::new(799_999).unwrap();
    let answers: [(u128, &[(u32, u64)]); 6] = [
        (1_000_000_007, &[(0, 300_000_000), (2, 499_999_000)]),
        (3, &[]),
        (999_999_999_989, &[(3, 1)]),
        (1 << 90, &[(1, 7), (3, 400_000_000)]),
        (0, &[(2, 5)]),
        (1 << 90, &[(2, 799_999_000)]),
    ];
    let mut counted = Earnings::new(training.to_vec(), attributed).unwrap();
    let mut number = 0;
    let mut count = |until: u64, counted: &mut Earnings| {
        while number < until {
            let (price, shares) = answers[number as usize];
            let base = SHARE_UNITS - shares.iter().map(|(_, units)| units).sum::<u64>();
            let shares: Vec<_> =
                shares.iter().map(|(index, units)| ReceiptShare { index: *index, units: *units }).collect();
            counted.add(&answer(number, price, base, shares)).unwrap();
            number += 1;
        }
    };
    let mut accepted = Vec::new();
    let epochs: Vec<_> = [(0u64, 1_001u128), (2, 1 << 41), (4, 1 << 80), (5, (1 << 80) + 1), (6, u128::MAX)]
        .into_iter()
        .map(|(receipts, funded)| {
            count(receipts, &mut counted);
            let amounts = counted.amounts(&accepted, funded).unwrap();
            accepted.clone_from(&amounts);
            let amounts: Vec<_> = amounts.iter().map(u128::to_string).collect();
            json!({ "receipts": receipts, "funded": funded.to_string(), "amounts": amounts })
        })
        .collect();
    let answers: Vec<_> =
        answers.iter().map(|(price, shares)| json!({ "price": price.to_string(), "shares": shares })).collect();
    check(
        "earnings.json",
        json!({
            "training": training, "attributed": attributed, "answers": answers,
            "epochs": epochs, "each epoch": "follows from so many answers, and from the amounts of the epoch before it",
        }),
    );
}

/// A receipt as far as earnings look at it.
fn answer(number: u64, price: u128, base: u64, shares: Vec<ReceiptShare>) -> Receipt {
    let hash = ContentHash([1; 32]);
    Receipt {
        operator: [9; 32],
        model: ModelId(5),
        number,
        adapter: hash,
        request: hash,
        response: hash,
        input_tokens: 1,
        output_tokens: 1,
        price,
        method: hash,
        base,
        shares: shares.try_into().unwrap(),
    }
}

#[test]
fn channels() {
    let (genesis, operator) = ([7; 32], [9; 32]);
    let vouchers: Vec<_> = [
        Voucher { channel: ChannelId(0), model: ModelId(0), input_tokens: 0, output_tokens: 0, amount: 1 },
        Voucher { channel: ChannelId(3), model: ModelId(5), input_tokens: 1_234, output_tokens: 567, amount: 89_000 },
        Voucher {
            channel: ChannelId(u64::MAX),
            model: ModelId(1 << 40),
            input_tokens: u64::MAX,
            output_tokens: 1,
            amount: u128::MAX,
        },
    ]
    .iter()
    .map(|voucher| {
        let signed = SignedVoucher { voucher: *voucher, signature: [0xab; 64] };
        json!({
            "channel": voucher.channel.0.to_string(), "model": voucher.model.0.to_string(),
            "input_tokens": voucher.input_tokens.to_string(), "output_tokens": voucher.output_tokens.to_string(),
            "amount": voucher.amount.to_string(),
            "payload": hex::encode(voucher.payload(genesis, operator)), "text": signed.to_string(),
        })
    })
    .collect();
    let prices = Prices { input_per_1000: 3_000, output_per_1000: 7_001 };
    let divided: Vec<_> = [(0u64, 0u64, 5u128), (1, 1, 20), (1, 1, 10), (1_000, 1_000, 20_000), (999, 1, 3_005)]
        .into_iter()
        .map(|(input_tokens, output_tokens, amount)| {
            let (model, rest) = Due { input_tokens, output_tokens, amount }.divide(&prices);
            json!({
                "input_tokens": input_tokens, "output_tokens": output_tokens, "amount": amount.to_string(),
                "model": model.to_string(), "operator": rest.to_string(),
            })
        })
        .collect();
    let receipt = |number: u64| {
        let shares = (0..number as u32).map(|n| ReceiptShare { index: 10 * n, units: 1_000 }).collect::<Vec<_>>();
        Receipt {
            operator,
            model: ModelId(5),
            number,
            adapter: ContentHash([1; 32]),
            request: ContentHash([2; 32]),
            response: ContentHash([3; 32]),
            input_tokens: 100 + number as u32,
            output_tokens: 50,
            price: 1 << 70,
            method: ContentHash([4; 32]),
            base: SHARE_UNITS - 1_000 * number,
            shares: shares.try_into().unwrap(),
        }
    };
    let receipts: Vec<_> = (0..5).map(receipt).collect();
    let tree = MerkleTree::<ReceiptTree>::from_hashes(receipts.iter().map(|receipt| receipt.leaf(genesis)).collect());
    let listed: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            assert_eq!(receipt.check(), Ok(()));
            let proof = tree.prove_inclusion(receipt.number).unwrap();
            json!({
                "scale": hex::encode(receipt.encode()), "leaf": receipt.leaf(genesis),
                "payload": hex::encode(receipt.payload(genesis)), "path": hashes(&proof.path),
            })
        })
        .collect();
    check(
        "channels.json",
        json!({
            "genesis": hex::encode(genesis), "operator": hex::encode(operator),
            "vouchers": { "signature": "64 times the byte ab: only the layout is shown", "cases": vouchers },
            "divided": { "input_per_1000": "3000", "output_per_1000": "7001", "cases": divided },
            "receipts": {
                "receipt": "number n of model 5: adapter, request, response and method 32 times the bytes 1, 2, 3 and 4, 100 + n and 50 tokens, price 2^70, n shares of 1000 units with the indices 0, 10, ..",
                "root": tree.head(), "cases": listed,
            },
        }),
    );
}

#[test]
fn shares() {
    let apportioned: Vec<_> = [
        (vec![1u128, 1, 1], 10u64), (vec![0, 0, 0], 10), (vec![7, 0, 2, 1], 1_000_000_000), (vec![5], 3), (vec![1, 2, 3], 0),
        (vec![u128::MAX, u128::MAX - 1, 1], u64::MAX), (vec![3, 3, 3, 1], 1_000_000_000), (vec![47, 16, 158, 120, 60], 100),
    ].into_iter().map(|(scores, total)| {
        let result = apportion(&scores, total).unwrap();
        json!({
            "scores": scores.iter().map(ToString::to_string).collect::<Vec<_>>(), "total": total.to_string(),
            "units": result.units.iter().map(ToString::to_string).collect::<Vec<_>>(), "equal_split": result.equal_split,
        })
    }).collect();
    let Split { treasury, base_owner, trainer, model_owner, datanet_owners, contributors } = Split::DEFAULT;
    let parts = [treasury, base_owner, trainer, model_owner, datanet_owners, contributors];
    let splits: Vec<_> = [0, 1, 99, 1_000_000_000_007, u128::MAX]
        .into_iter()
        .map(|amount| {
            json!({
                "amount": amount.to_string(), "parts": parts, "rest_to": 0,
                "amounts": split(amount, parts, 0).unwrap().map(|amount| amount.to_string()),
            })
        })
        .collect();
    let (mut per_unit, mut carry) = (U256::zero(), U256::zero());
    let (units, total_units) = (333_333_334u64, 1_000_000_000u64);
    let accruals: Vec<_> = [1u128, 10, 0, 1_000_000_000_000, 7, 999_999_999_999_999_999]
        .into_iter()
        .map(|amount| {
            let last = per_unit;
            let accrual = accrue(amount, total_units, carry).unwrap();
            per_unit += accrual.per_unit;
            carry = accrual.carry;
            json!({
                "amount": amount.to_string(), "revenue_per_unit": per_unit.to_string(), "carry": carry.to_string(),
                "claimable": claimable(units, per_unit, last).unwrap().to_string(),
            })
        })
        .collect();
    check(
        "shares.json",
        json!({
            "apportion": apportioned,
            "split": splits,
            "accrual": { "scale": "2^64", "total_units": total_units, "claimant_units": units, "fundings": accruals },
        }),
    );
}

#[test]
fn trace() {
    let step = |step: u32| StepRecord {
        step,
        loss_bits: (1.0 / step as f32).to_bits(),
        gradient_norm_bits: 0.5f32.to_bits(),
        batch: batch_hash(&[sample_leaf(b"leaf 0"), sample_leaf(&step.to_le_bytes())]),
        state: step.is_multiple_of(2).then(|| sample_leaf(b"state")),
    };
    let steps: Vec<_> = (1..=5)
        .map(step)
        .map(|step| json!({ "record": step, "scale": hex::encode(step.encode()), "leaf": step.leaf() }))
        .collect();
    let roots: Vec<_> = (0..=5).map(|count| trace_root((1..=count).map(|n| step(n).leaf())).root).collect();
    check("trace.json", json!({ "steps": steps, "roots": roots }));
}
