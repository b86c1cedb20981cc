/// The probes there are: one line each. A factory gives nil when the options do not ask for its probe.
package enum ProbeRegistry {
    package static let factories: [@Sendable (ProbeOptions) -> (any Probe)?] = [
        { KernelLogProbe(options: $0) },
        { SimulatedKernelLogProbe(options: $0) },
    ]

    package static func probes(for options: ProbeOptions) -> [any Probe] {
        factories.compactMap { $0(options) }
    }
}
