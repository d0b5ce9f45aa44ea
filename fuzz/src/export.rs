//! What comes out of a sealed workspace: a header and a pack, both written where an agent reigns.

use gadugi_workspace::{ImportLimits, MOST_HEADER, header, weigh};

/// An export. A header that is taken says nothing that could be taken for something else; a pack that is taken is within
/// its limits and ends where the bytes end; neither reads or holds more than it may.
pub fn export(data: &[u8]) {
    let pack = match header(data) {
        Ok((header, length)) => {
            assert!(length <= data.len().min(MOST_HEADER));
            for id in std::iter::once(&header.tip).chain(&header.head).chain(&header.branch) {
                assert!(matches!(id.as_str().len(), 40 | 64), "{id}");
                assert!(
                    id.as_str().bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()),
                    "{id}"
                );
            }
            let names = header.nested.iter().chain(&header.large).chain(&header.unreadable).chain(&header.on);
            for name in names {
                assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
            }
            &data[length..]
        }
        Err(refusal) => {
            assert!(!refusal.word().is_empty() && !refusal.to_string().is_empty());
            // Most inputs begin with no header: the pack is tried by itself.
            data
        }
    };
    let limits =
        ImportLimits { pack_bytes: 1 << 16, inflated_bytes: 1 << 18, object_bytes: 1 << 16, objects: 1_000 };
    for id_bytes in [20, 32] {
        match weigh(pack, id_bytes, &limits) {
            Ok(weight) => {
                assert_eq!(weight.pack_bytes, pack.len() as u64);
                assert!(
                    weight.pack_bytes <= limits.pack_bytes && weight.inflated_bytes <= limits.inflated_bytes
                );
                assert!(weight.objects <= limits.objects && weight.largest <= limits.object_bytes);
                assert!(
                    weigh(&pack[..pack.len() - 1], id_bytes, &limits).is_err(),
                    "a byte less is taken as well"
                );
            }
            Err(refusal) => assert!(!refusal.word().is_empty() && !refusal.to_string().is_empty()),
        }
    }
}
