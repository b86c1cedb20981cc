import HCSModel

extension PeerComparison {
    /// Compares each device with those of its model that were sampled as lately and carry an equal load.
    static func compare(
        _ evidence: [DeviceID: DeviceEvidence], policy: HealthPolicy, now: Int64
    ) -> [DeviceID: PeerComparison] {
        struct Kind: Hashable { var vendor: Vendor, model: String, simulated: Bool }
        let fresh = evidence.values.filter { known in
            guard let at = known.sampledMilliseconds else { return false }
            let (age, overflow) = now.subtractingReportingOverflow(at)
            return !overflow && age <= policy.coverage.maximumSampleAgeSeconds * 1000
        }
        var result: [DeviceID: PeerComparison] = [:]
        let kinds = Dictionary(grouping: fresh) {
            Kind(vendor: $0.device.vendor, model: $0.device.model, simulated: $0.device.simulated)
        }
        for group in kinds.values where group.count > 1 {
            for own in group {
                var comparison = PeerComparison()
                let others = group.filter { $0.device.id != own.device.id }
                comparison.compareTemperature(own, others, policy.thermalResidual.peers)
                comparison.compareClock(own, others, policy.clock)
                result[own.device.id] = comparison
            }
        }
        return result
    }

    private mutating func compareTemperature(
        _ own: DeviceEvidence, _ others: [DeviceEvidence], _ policy: HealthPolicy.ThermalResidual.Peers
    ) {
        guard let degrees = own.sample?.temperatureCelsius, degrees.isFinite else { return }
        let peers = others.filter { Self.isLoaded($0, as: own, tolerance: policy.powerTolerance) }
            .compactMap { $0.sample?.temperatureCelsius }.filter(\.isFinite)
        guard peers.count >= policy.minimumPeers, let median = peers.median,
            let deviation = peers.map({ abs($0 - median) }).median
        else { return }
        // 1.4826 makes the median deviation of a normal distribution its standard deviation.
        let z = (degrees - median) / max(policy.minimumDeviationCelsius, 1.4826 * deviation)
        temperature = Figure(value: z, median: median, peers: peers.count)
        residual = degrees - median
    }

    private mutating func compareClock(
        _ own: DeviceEvidence, _ others: [DeviceEvidence], _ policy: HealthPolicy.Clock
    ) {
        func clock(_ known: DeviceEvidence) -> Double? {
            guard let sample = known.sample, let busy = sample.utilizationPercent, busy > policy.minimumUtilization,
                let clock = sample.signals[.clock, "compute"] ?? sample.signals[.clock], clock.isFinite
            else { return nil }
            return clock
        }
        guard let mine = clock(own) else { return }
        let peers = others.filter { $0.sample?.signals[.powerLimit] == own.sample?.signals[.powerLimit] }
            .compactMap(clock)
        guard peers.count >= policy.minimumPeers, let median = peers.median, median > 0 else { return }
        self.clock = Figure(value: mine / median, median: median, peers: peers.count)
    }

    /// By power; by utilisation where the power is not told.
    private static func isLoaded(_ other: DeviceEvidence, as own: DeviceEvidence, tolerance: Double) -> Bool {
        if let a = own.sample?.powerWatts, let b = other.sample?.powerWatts {
            return abs(a - b) <= tolerance * max(a, b)
        }
        guard let a = own.sample?.utilizationPercent, let b = other.sample?.utilizationPercent else { return false }
        return abs(a - b) <= 100 * tolerance
    }
}
