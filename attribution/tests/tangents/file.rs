//! The file of tangents: that it comes back, and that no damaged one does.

use crate::Task;
use tributary_attribution::{Tangent, TangentError, Tangents};
use tributary_lora::{Adapter, sample_gradient};

#[test]
fn the_file_comes_back_as_it_was_and_no_other_does() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let result = task.result();
    for halves in [0, 4] {
        let tangents = task.tangents(&folder.path().join("retrains"), &task.groups(3), halves);
        let path = folder.path().join("tangents.bin");
        tangents.write(&path).unwrap();
        assert_eq!(Tangents::read(&path).unwrap(), tangents);
        let bytes = tangents.to_bytes();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);

        // Every header byte, and a stride through the rest.
        for at in (0..130).chain((130..bytes.len()).step_by(997)).chain(bytes.len() - 33..bytes.len()) {
            for flip in [1, 0x80] {
                let mut other = bytes.clone();
                other[at] ^= flip;
                assert!(Tangents::from_bytes(&other).is_err(), "byte {at}");
            }
        }
        for length in [0, 7, 127, 128, bytes.len() - 1] {
            assert!(matches!(Tangents::from_bytes(&bytes[..length]), Err(TangentError::Damaged { .. })), "{length}");
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(Tangents::read(&path), Err(TangentError::Damaged { .. })), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Tangents::from_bytes(&longer), Err(TangentError::Damaged { .. })));
        let mut later = bytes.clone();
        later[8] = 2;
        assert!(matches!(Tangents::from_bytes(&later), Err(TangentError::Format { found: 2, expected: 1 })));

        // Impossible content with a hash that fits.
        let rehashed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes[..bytes.len() - 32].to_vec();
            change(&mut bytes);
            let hash = blake3::hash(&bytes);
            bytes.extend_from_slice(hash.as_bytes());
            Tangents::from_bytes(&bytes)
        };
        assert_eq!(rehashed(&|_| {}).unwrap(), tangents);
        let rows = 128 + 34 * 24;
        let nan = |bytes: &mut Vec<u8>| bytes[rows..rows + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(rehashed(&nan), Err(TangentError::Damaged { .. })));
        assert!(matches!(rehashed(&|bytes| *bytes.last_mut().unwrap() = 0x80), Err(TangentError::Damaged { .. })));
        assert!(matches!(rehashed(&|bytes| bytes[128 + 32] = 3), Err(TangentError::Groups(_))));
        let twice = |bytes: &mut Vec<u8>| bytes.copy_within(128..160, 128 + 34);
        assert!(matches!(rehashed(&twice), Err(TangentError::Damaged { .. })));
        let huge = |bytes: &mut Vec<u8>| bytes[24..32].copy_from_slice(&(1u64 << 31).to_le_bytes());
        assert!(matches!(rehashed(&huge), Err(TangentError::Damaged { .. })));

        let gradient = sample_gradient(&task.model, &result, &task.queries[0]).unwrap();
        assert_eq!(tangents.scores(&gradient, Tangent::Semivalue).is_ok(), halves > 0);
    }
}

#[test]
fn tangents_serve_one_adapter_and_gradients_of_its_size() {
    let task = Task::new();
    let folder = tempfile::tempdir().unwrap();
    let tangents = task.tangents(folder.path(), &task.groups(2), 0);
    let result = task.result();
    tangents.check(&task.model, &result).unwrap();
    let other = Adapter::new(&task.model, task.lora.clone(), 5).unwrap();
    let error = tangents.scores_at_midpoints(&task.model, &other, &task.queries[0]).unwrap_err();
    assert!(matches!(error, TangentError::Other { what: "adapter", .. }), "{error}");
    let mut gradient = vec![0f32; tangents.parameters()];
    assert_eq!(tangents.scores(&gradient, Tangent::LeaveOneOut).unwrap(), [0.0, 0.0]);
    let error = tangents.scores(&gradient[1..], Tangent::LeaveOneOut).unwrap_err();
    assert!(matches!(error, TangentError::Parameters { what: "the gradient", .. }), "{error}");
    gradient[0] = f32::NAN;
    let error = tangents.scores(&gradient, Tangent::LeaveOneOut).unwrap_err();
    assert!(matches!(error, TangentError::NotFinite { .. }), "{error}");
}
