//! The declaration of fault kinds: one table from which follows whatever is known of a kind.

/// Declares every kind of fault: `Variant = "tag", Family, every world { field: Type = check, .. }`, or
/// `own engine alone` for what turmoil lacks. A `check` is a function of [`super::field`] or [`super::range`] that says
/// what values may be. From it follow the enum as plans write it, [`FaultKind`](super::FaultKind), and how
/// targets are found and changed, values checked, and milder forms made.
macro_rules! faults {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $tag:literal, $family:ident, $($worlds:ident)+ {
            $(
                $(#[$field_meta:meta])+
                $field:ident: $type:ty = $check:ident,
            )*
        }
    )*) => {
        /// What befalls a world.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Fault {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $tag)]
                $variant {
                    $(
                        $(#[$field_meta])+
                        $field: $type,
                    )*
                },
            )*
        }

        /// A kind of fault, without whom it strikes and how.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl FaultKind {
            /// Every one, in the order of their declaration.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$variant,)*];

            /// Its name, as plans and reports spell it. It never changes: figures of runs are kept by
            /// it.
            pub fn tag(self) -> &'static str {
                match self {
                    $(FaultKind::$variant => $tag,)*
                }
            }

            /// The family that it belongs to.
            pub fn family(self) -> FaultFamily {
                match self {
                    $(FaultKind::$variant => FaultFamily::$family,)*
                }
            }

            /// The worlds that have it. Turmoil sends nothing again and does not count bytes.
            pub fn engines(self) -> &'static [EngineKind] {
                match self {
                    $(FaultKind::$variant => faults!(@engines $($worlds)+),)*
                }
            }

            /// What it is, in a sentence or two.
            pub fn about(self) -> &'static str {
                match self {
                    $(FaultKind::$variant => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }

        impl Fault {
            /// Its kind: what it is without whom it strikes and how hard.
            pub fn kind(&self) -> FaultKind {
                match self {
                    $(Fault::$variant { .. } => FaultKind::$variant,)*
                }
            }

            /// Checks each value by itself, without the hosts, the roles and the rest of the plan.
            ///
            /// # Errors
            /// The first field that cannot be so, and what was expected.
            pub fn check(&self) -> Result<(), (&'static str, String)> {
                match self {
                    $(Fault::$variant { $($field),* } => {
                        $(field::$check($field).map_err(|message| (stringify!($field), message))?;)*
                        Ok(())
                    })*
                }
            }

            /// Shows every target, with the name of its field.
            pub fn for_targets<'a>(&'a self, see: &mut dyn FnMut(&'static str, &'a Target)) {
                match self {
                    $(Fault::$variant { $($field),* } => {
                        $($field.targets(&mut |target| see(stringify!($field), target));)*
                    })*
                }
            }

            /// The same fault with other targets; one for which there is none leaves its list. None if
            /// nobody is left where somebody must be.
            pub fn map_targets(
                &self,
                change: &mut dyn FnMut(&Target) -> Option<Target>,
            ) -> Option<Fault> {
                match self {
                    $(Fault::$variant { $($field),* } => Some(Fault::$variant {
                        $($field: $field.map_targets(change)?,)*
                    }),)*
                }
            }

            /// Milder forms: one number halved (towards 0), or one list without one of its members.
            pub fn milder(&self) -> Vec<Fault> {
                let mut forms = Vec::new();
                match self {
                    $(Fault::$variant { $($field),* } => {
                        faults!(@milder forms, self, $variant, $($field)*);
                    })*
                }
                forms
            }

            fn named_target(&self) -> Option<&Target> {
                let mut named = None;
                self.for_targets(&mut |field, target| {
                    if field == "target" {
                        named = Some(target);
                    }
                });
                named
            }
        }
    };
    (@engines every world) => {
        &EngineKind::ALL
    };
    (@engines own engine alone) => {
        &[EngineKind::Engine]
    };
    (@milder $forms:ident, $fault:expr, $variant:ident, $($field:ident)*) => {
        $(
            for value in $field.milder() {
                let mut form = $fault.clone();
                if let Fault::$variant { $field: milder, .. } = &mut form {
                    *milder = value;
                }
                $forms.push(form);
            }
        )*
    };
}
