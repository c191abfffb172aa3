//! What every service of a layer has.

/// The accessors of a service that stands around another, `inner`.
#[doc(hidden)]
#[macro_export]
macro_rules! __inner_accessors {
    () => {
        /// The service inside.
        pub fn get_ref(&self) -> &S {
            &self.inner
        }

        /// The service inside, to be changed.
        pub fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// Takes the service inside out.
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}
