import HCSModel

extension HealthPolicy {
    /// Throws the first number that makes no sense, in words for the person who wrote the file.
    package func validate() throws(HealthError) {
        try require(version == Self.currentVersion, "version \(version) is not understood, only \(Self.currentVersion)")
        try validateFaults()
        try validateLatches()
        try validateCoverage()
        try validateVendors()
        try validateSignals()
        try validateCollector()
    }

    private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(HealthError) {
        if !condition { throw HealthError(.badPolicy, "health policy: " + message()) }
    }

    private func share(_ value: Double, _ name: String) throws(HealthError) {
        try require((0...1).contains(value), "\(name) must be 0 to 1, not \(value)")
    }

    /// A factor alone never makes a device a failed one.
    private func part(_ value: Double, _ name: String) throws(HealthError) {
        try require(value >= 0 && value < 1, "\(name) must be 0 to less than 1, not \(value)")
    }

    private func positive(_ value: Double, _ name: String) throws(HealthError) {
        try require(value.isFinite && value > 0, "\(name) must be more than 0, not \(value)")
    }

    private func seconds(_ value: Int64, _ name: String, _ range: ClosedRange<Int64> = 1...31_536_000)
        throws(HealthError)
    {
        try require(range.contains(value), "\(name) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
    }

    private func level(_ level: Level, _ name: String) throws(HealthError) {
        try require(
            level.warn.isFinite && level.bad.isFinite && level.warn != level.bad, "\(name): warn and bad must differ")
        try part(level.cap, "\(name).cap")
        if let halfLife = level.halfLifeSeconds { try positive(halfLife, "\(name).halfLifeSeconds") }
    }

    private func code(_ text: String, _ place: String) throws(HealthError) {
        try require(FaultCode(text) != nil, "\(place): '\(text.prefix(64))' is no vendor/family/code")
    }

    private func validateFaults() throws(HealthError) {
        for (name, group) in groups.sorted(by: { $0.key < $1.key }) {
            try share(group.weight, "groups.\(name).weight")
            try part(group.cap, "groups.\(name).cap")
            if let halfLife = group.halfLifeSeconds { try positive(halfLife, "groups.\(name).halfLifeSeconds") }
            if let jobs = group.minimumJobs {
                try require((1...8).contains(jobs), "groups.\(name).minimumJobs must be 1 to 8")
                try seconds(group.jobWindowSeconds ?? 0, "groups.\(name).jobWindowSeconds")
            }
        }
        for (name, rule) in codes.sorted(by: { $0.key < $1.key }) {
            try code(name, "codes")
            guard let named = FaultCode(name) else { continue }
            let row = row(named, in: .builtIn)
            let needsGroup = row.map { [.soft, .application, .held, .decode].contains($0.faultClass) } ?? false
            try require(
                !needsGroup || groups[row?.group ?? ""] != nil,
                "codes.\(name): class \(rule.class?.rawValue ?? "") needs one of the groups")
        }
        for row in FaultCatalogue.builtIn.rows where !row.group.isEmpty {
            try require(groups[row.group] != nil, "group \(row.group) of \(row.code) is missing")
        }
        for escalation in escalations {
            for name in escalation.codes { try code(name, "escalations") }
            try require((1...100).contains(escalation.count), "escalations: count must be 1 to 100")
            try seconds(escalation.windowSeconds, "escalations: windowSeconds")
        }
        try seconds(duplicates.windowSeconds, "duplicates.windowSeconds", 0...86_400)
        for name in duplicates.sameFault.joined() { try code(name, "duplicates.sameFault") }
    }

    private func validateLatches() throws(HealthError) {
        try seconds(latches.quietSeconds, "latches.quietSeconds", 0...86_400)
        try seconds(latches.operatorWindowSeconds, "latches.operatorWindowSeconds")
        for (number, action) in recoveryActions {
            try require(
                Self.actionNames.contains(number), "recoveryActions: unknown field '\(number.prefix(32))'")
            try share(action.penalty, "recoveryActions.\(number).penalty")
        }
    }

    private func validateCoverage() throws(HealthError) {
        try seconds(coverage.windowSeconds, "coverage.windowSeconds", 10...86_400)
        try share(coverage.minimumShare, "coverage.minimumShare")
        try seconds(coverage.maximumSampleAgeSeconds, "coverage.maximumSampleAgeSeconds", 1...86_400)
        try seconds(hysteresis.downSeconds, "hysteresis.downSeconds", 0...86_400)
        try seconds(hysteresis.upSeconds, "hysteresis.upSeconds", 0...604_800)
        try require((0...15).contains(hysteresis.upMargin), "hysteresis.upMargin must be 0 to 15")
    }

    private func validateVendors() throws(HealthError) {
        for (name, verdict) in vendorHealth {
            try require(
                DeviceSample.VendorHealth(rawValue: name) != nil, "vendorHealth: unknown field '\(name.prefix(32))'")
            try share(verdict.penalty, "vendorHealth.\(name).penalty")
            try require(
                !verdict.latched || verdict.penalty == 1, "vendorHealth.\(name): only a penalty of 1 may be latched")
        }
        for (name, limits) in temperature {
            try require(Vendor(rawValue: name) != nil, "temperature: unknown field '\(name.prefix(32))'")
            try level(limits, "temperature.\(name)")
            try require(limits.warn < limits.bad, "temperature.\(name): warn must be below bad")
        }
        for (name, limits) in spares.limits {
            try require(Vendor(rawValue: name) != nil, "spares.limits: unknown field '\(name.prefix(32))'")
            try positive(limits.rowsRemapped, "spares.limits.\(name).rowsRemapped")
            try positive(limits.retiredPages, "spares.limits.\(name).retiredPages")
        }
    }

    private func validateSignals() throws(HealthError) {
        let peers = thermalResidual.peers, trend = thermalResidual.trend
        try part(thermalResidual.cap, "thermalResidual.cap")
        try level(Level(warn: peers.warn, bad: peers.bad, cap: 0), "thermalResidual.peers")
        try require((1...64).contains(peers.minimumPeers), "thermalResidual.peers.minimumPeers must be 1 to 64")
        try share(peers.powerTolerance, "thermalResidual.peers.powerTolerance")
        try positive(peers.minimumDeviationCelsius, "thermalResidual.peers.minimumDeviationCelsius")
        try level(Level(warn: trend.warn, bad: trend.bad, cap: 0), "thermalResidual.trend")
        try seconds(trend.binSeconds, "thermalResidual.trend.binSeconds", 60...604_800)
        try require((4...256).contains(trend.bins), "thermalResidual.trend.bins must be 4 to 256")
        try positive(trend.minimumDays, "thermalResidual.trend.minimumDays")
        try level(throttle.level, "throttle.level")
        try seconds(throttle.windowSeconds, "throttle.windowSeconds", 60...86_400)
        try level(clock.level, "clock.level")
        try require((1...64).contains(clock.minimumPeers), "clock.minimumPeers must be 1 to 64")
        try level(spares.level, "spares.level")
        try part(remapPending.penalty, "remapPending.penalty")
        try level(pcieReplay.level, "pcieReplay.level")
        try positive(pcieReplay.bitErrorRate, "pcieReplay.bitErrorRate")
        try part(pcieLink.penalty, "pcieLink.penalty")
        try seconds(pcieLink.holdSeconds, "pcieLink.holdSeconds", 0...86_400)
        try level(pcieErrors.level, "pcieErrors.level")
        for (kind, rate) in links.perSecond { try require(rate > 0, "links.perSecond.\(kind) must be more than 0") }
        try part(throughput.penalty, "throughput.penalty")
        try share(throughput.minimumShare, "throughput.minimumShare")
        try validateCorrectableErrors()
    }

    private func validateCorrectableErrors() throws(HealthError) {
        let drift = correctableErrors.drift
        try level(correctableErrors.level, "correctableErrors.level")
        try seconds(correctableErrors.binSeconds, "correctableErrors.binSeconds", 1...86_400)
        try share(correctableErrors.smoothing, "correctableErrors.smoothing")
        try require(drift.allowance.isFinite && drift.allowance >= 0, "correctableErrors.drift.allowance is no number")
        try positive(drift.threshold, "correctableErrors.drift.threshold")
        try positive(drift.minimumDeviation, "correctableErrors.drift.minimumDeviation")
        try positive(drift.baselineSeconds, "correctableErrors.drift.baselineSeconds")
        try require(drift.minimumBins >= 1, "correctableErrors.drift.minimumBins must be at least 1")
        try share(drift.weight, "correctableErrors.drift.weight")
        try seconds(drift.holdSeconds, "correctableErrors.drift.holdSeconds", 0...604_800)
    }

    private func validateCollector() throws(HealthError) {
        try level(collector.level, "collector.level")
        try positive(collector.minimumBaselineMilliseconds, "collector.minimumBaselineMilliseconds")
        try require(collector.missesInARow >= 1, "collector.missesInARow must be at least 1")
        try share(collector.weight, "collector.weight")
        try part(collector.cap, "collector.cap")
        try positive(collector.halfLifeSeconds, "collector.halfLifeSeconds")
        try seconds(processes.stuckSeconds, "processes.stuckSeconds", 0...86_400)
        try part(processes.penalty, "processes.penalty")
        try part(fabricManager.penalty, "fabricManager.penalty")
        try part(fabricPort.penalty, "fabricPort.penalty")
        try share(processes.abandonedShare, "processes.abandonedShare")
        try positive(processes.abandonedGibibytes, "processes.abandonedGibibytes")
        try seconds(processes.abandonedSeconds, "processes.abandonedSeconds", 0...86_400)
    }
}
