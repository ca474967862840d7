//! What can be done, by its names in the log.

use std::str::FromStr;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    EndpointCreate,
    EndpointUpdate,
    EndpointDelete,
    EndpointPause,
    EndpointResume,
    EndpointEnable,
    EndpointDisable,
    EndpointRotateSecret,
    EndpointEndOverlap,
    EndpointRevealSecret,
    EndpointTest,
    EndpointBackfill,
    /// By its receiver.
    ReceiverResend,
    EndpointDefaultsSet,
    ClientCertificateSet,
    ClientCertificateDelete,
    DeliveryRetry,
    DeliveryDiscard,
    DeadLettersBulk,
    ReplayStart,
    ReplayCancel,
    KeyCreate,
    KeyRevoke,
    PortalLinkCreate,
    PortalLinkRevoke,
    PortalSignIn,
    TenantCreate,
    TenantUpdate,
    TenantDelete,
    SourceCreate,
    SourceUpdate,
    SourceDelete,
    EventTypeCreate,
    EventTypeAddVersion,
    EventTypeUpdate,
    EventTypeDelete,
    TemplateCreate,
    TemplateAddVersion,
    TemplateDelete,
    ScheduledEventCancel,
    /// What an application that embeds the server has noted in a form of its own.
    ApplicationNote,
}

/// Each act with its name: the kind of what it is done to, a dot, and the verb.
const NAMES: &[(Act, &str)] = &[
    (Act::EndpointCreate, "endpoint.create"),
    (Act::EndpointUpdate, "endpoint.update"),
    (Act::EndpointDelete, "endpoint.delete"),
    (Act::EndpointPause, "endpoint.pause"),
    (Act::EndpointResume, "endpoint.resume"),
    (Act::EndpointEnable, "endpoint.enable"),
    (Act::EndpointDisable, "endpoint.disable"),
    (Act::EndpointRotateSecret, "endpoint.rotate_secret"),
    (Act::EndpointEndOverlap, "endpoint.end_overlap"),
    (Act::EndpointRevealSecret, "endpoint.reveal_secret"),
    (Act::EndpointTest, "endpoint.test"),
    (Act::EndpointBackfill, "endpoint.backfill"),
    (Act::ReceiverResend, "endpoint.receiver_resend"),
    (Act::EndpointDefaultsSet, "endpoint_defaults.set"),
    (Act::ClientCertificateSet, "client_certificate.set"),
    (Act::ClientCertificateDelete, "client_certificate.delete"),
    (Act::DeliveryRetry, "delivery.retry"),
    (Act::DeliveryDiscard, "delivery.discard"),
    (Act::DeadLettersBulk, "dead_letters.bulk"),
    (Act::ReplayStart, "replay.start"),
    (Act::ReplayCancel, "replay.cancel"),
    (Act::KeyCreate, "key.create"),
    (Act::KeyRevoke, "key.revoke"),
    (Act::PortalLinkCreate, "portal_link.create"),
    (Act::PortalLinkRevoke, "portal_link.revoke"),
    (Act::PortalSignIn, "portal.sign_in"),
    (Act::TenantCreate, "tenant.create"),
    (Act::TenantUpdate, "tenant.update"),
    (Act::TenantDelete, "tenant.delete"),
    (Act::SourceCreate, "source.create"),
    (Act::SourceUpdate, "source.update"),
    (Act::SourceDelete, "source.delete"),
    (Act::EventTypeCreate, "event_type.create"),
    (Act::EventTypeAddVersion, "event_type.add_version"),
    (Act::EventTypeUpdate, "event_type.update"),
    (Act::EventTypeDelete, "event_type.delete"),
    (Act::TemplateCreate, "template.create"),
    (Act::TemplateAddVersion, "template.add_version"),
    (Act::TemplateDelete, "template.delete"),
    (Act::ScheduledEventCancel, "scheduled_event.cancel"),
    (Act::ApplicationNote, "application.note"),
];

impl Act {
    /// As it stands in the log.
    pub(crate) fn name(self) -> &'static str {
        // Each is in the list: see the test.
        let found = NAMES.iter().find(|(act, _)| *act == self);
        found.map_or("", |(_, name)| name)
    }
}

/// What an act is done to: what stands before the dot.
pub(super) fn kind_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(kind, _)| kind)
}

/// Acts that are asked for: one, or all of a kind.
#[derive(Debug)]
pub(super) struct Acts(String);

impl Acts {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0 == name || self.0 == kind_of(name)
    }
}

impl FromStr for Acts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_known = |name: &str| name == text || kind_of(name) == text;
        if NAMES.iter().any(|(_, name)| is_known(name)) {
            return Ok(Self(text.to_owned()));
        }
        let all: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
        Err(format!(
            "use one of {}, or a kind such as endpoint",
            all.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_act_has_a_name_of_its_own_with_a_kind_and_a_verb() {
        let names: BTreeSet<&str> = NAMES.iter().map(|(_, name)| *name).collect();
        assert_eq!(names.len(), NAMES.len());
        for (place, (act, name)) in NAMES.iter().enumerate() {
            // The list is in the order of the variants, so that none is missing between them.
            assert_eq!(*act as usize, place, "{name}");
            assert_eq!(act.name(), *name);
            assert_eq!(name.split('.').count(), 2, "{name}");
        }
        assert_eq!(Act::ApplicationNote as usize, NAMES.len() - 1);
    }

    #[test]
    fn an_act_is_asked_for_by_its_name_or_its_kind() {
        let asked = |text: &str| text.parse::<Acts>();
        assert!(asked("endpoint").unwrap().has("endpoint.pause"));
        assert!(!asked("endpoint").unwrap().has("endpoint_defaults.set"));
        assert!(asked("endpoint.pause").unwrap().has("endpoint.pause"));
        assert!(!asked("endpoint.pause").unwrap().has("endpoint.resume"));
        for unknown in ["", "endpoint.", "endpoint.paus", "nothing"] {
            assert!(asked(unknown).is_err(), "{unknown}");
        }
    }
}
