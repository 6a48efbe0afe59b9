//! Tests that run wherever a model can compute.

/// Makes a module with tests of every function named, which takes a `Placement`: own kernels on the processor (`native`), the
/// forms that GPUs compute, on the processor in f64 (`composed`), and the first GPU in f32 (`cuda`, in builds with that
/// feature; skipped with a line that says so where there is none).
macro_rules! on_devices {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use super::Placement;

            #[test]
            fn native() {
                super::$name(Placement::CPU);
            }

            #[test]
            fn composed() {
                super::$name(Placement { compute: "f64".parse().unwrap(), ..Placement::CPU });
            }

            #[cfg(feature = "cuda")]
            #[test]
            fn cuda() {
                let placement = Placement { compute: "f32".parse().unwrap(), ..Placement::cuda(0) };
                match placement.device() {
                    Ok(_) => super::$name(placement),
                    Err(error) => println!("skipped: no CUDA device ({error})"),
                }
            }
        }
    )*};
}
