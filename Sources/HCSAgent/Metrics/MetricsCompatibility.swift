/// Whose names /metrics speaks besides its own (`--compat`).
package enum MetricsCompatibility: String, CaseIterable, Hashable, Sendable {
    /// NVIDIA's DCGM exporter, for NVIDIA devices only.
    case dcgm
    case none
}
