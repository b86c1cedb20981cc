package import HCSModel

/// `POST /v1/plan`: what would become of a request now. Nothing is submitted.
package struct PlanView: Hashable, Sendable, Codable {
    package var name: String
    package var revision: Revision
    package var fits: Bool
    package var summary: String
    /// Where it would go, and what it would be given there.
    package var node: String?
    package var grants: [DeviceGrant]
    package var devices: [PlacementVerdict]
    /// Where it does not fit: single changes with which it would, the smallest first.
    package var changes: [PlacementChange]

    package init(
        name: String, revision: Revision, fits: Bool, summary: String, node: String?, grants: [DeviceGrant],
        devices: [PlacementVerdict], changes: [PlacementChange]
    ) {
        self.name = name
        self.revision = revision
        self.fits = fits
        self.summary = summary
        self.node = node
        self.grants = grants
        self.devices = devices
        self.changes = changes
    }
}
