//! Tests that run wherever a model can compute.

/// Makes of `fn name(placement: Placement) { .. }` a module `name` with a test for each place: own kernels on the processor
/// (`native`), the forms that GPUs compute, on the processor in f64 (`composed`), and the first GPU in f32 (`cuda`, in builds
/// with that feature; skipped with a line that says so where there is none).
macro_rules! on_devices {
    ($($(#[$meta:meta])* fn $name:ident($placement:ident: Placement) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            fn check($placement: Placement) $body

            #[test]
            fn native() {
                check(Placement::CPU);
            }

            #[test]
            fn composed() {
                check(Placement { compute: "f64".parse().unwrap(), ..Placement::CPU });
            }

            #[cfg(feature = "cuda")]
            #[test]
            fn cuda() {
                let placement = Placement { compute: "f32".parse().unwrap(), ..Placement::cuda(0) };
                match placement.device() {
                    Ok(_) => check(placement),
                    Err(error) => println!("skipped: no CUDA device ({error})"),
                }
            }
        }
    )*};
}
