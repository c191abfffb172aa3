//! The accessors that every service of a layer has.

/// The accessors of a service that wraps another one, `inner`.
#[doc(hidden)]
#[macro_export]
macro_rules! __inner_accessors {
    () => {
        /// Returns the inner service.
        pub fn get_ref(&self) -> &S {
            &self.inner
        }

        /// Returns the inner service, to be changed.
        pub fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// Unwraps the inner service.
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}
