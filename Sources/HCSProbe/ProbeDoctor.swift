internal import CHCSProbe
internal import Glibc
package import HCSModel
internal import HCSSystem

/// What this host lets the probes do, for `hcs doctor`. Changes nothing; blocks for some milliseconds.
package struct ProbeReport: Hashable, Sendable {
    package struct Finding: Hashable, Sendable {
        package var isAvailable: Bool
        package var detail: String
    }

    /// Kernel BTF: an eBPF program can be fitted to this kernel.
    package var btf: Finding
    package var bpf: Finding
    package var kernelLog: Finding
    /// Effective capabilities by name.
    package var capabilities: [String]
    /// What each capability that the probes use is for, and what its absence turns off.
    package var capabilityUses: [CapabilityUse]
    /// What each probe would be on this host.
    package var probes: [ProbeStatus]

    /// For people, one fact a line.
    package var lines: [String] {
        func line(_ what: String, _ finding: Finding) -> String {
            "\(finding.isAvailable ? "ok     " : "missing") \(what): \(finding.detail)"
        }
        let relevant = [
            "CAP_BPF", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH",
            "CAP_KILL",
            "CAP_CHOWN",
        ]
        let held = relevant.filter(capabilities.contains)
        return [
            line("kernel BTF", btf), line("eBPF", bpf), line("kernel log", kernelLog),
            "info    capabilities: \(held.isEmpty ? "none of \(relevant.joined(separator: " "))" : held.joined(separator: " "))",
        ] + capabilityUses.map { line($0.name, $0.finding) }
            + probes.map { "info    probe \($0.name): \($0.state.rawValue), \($0.detail)" }
    }
}

package enum ProbeDoctor {
    package static func report(options: ProbeOptions = ProbeOptions()) -> ProbeReport {
        let capabilities = Capabilities.effective(root: options.root)
        return ProbeReport(
            btf: btf(options), bpf: bpf(capabilities), kernelLog: kernelLog(options, capabilities),
            capabilities: capabilities.names, capabilityUses: CapabilityUse.all(capabilities),
            probes: probes(options))
    }

    /// Sets each probe up as the agent would and lets it go at once.
    private static func probes(_ options: ProbeOptions) -> [ProbeStatus] {
        guard let stop = try? WakeUp() else { return [] }
        stop.signal()
        var options = options
        options.start = .now
        let found = ProbeRegistry.probes(for: options).map { probe in
            probe.run(ProbeContext(stop: stop, ready: {}, emit: { _ in [] }))
            return probe.status()
        }
        let off = ProbeRegistry.optional.filter { probe in !found.contains { $0.name == probe.name } }
        return found
            + off.map {
                ProbeStatus(name: $0.name, state: .unavailable, detail: "off: hcs-agent \($0.flag) turns it on")
            }
    }

    private static func btf(_ options: ProbeOptions) -> ProbeReport.Finding {
        let path = options.root.path(BPFObject.kernelBTF)
        return BPFObject.hasKernelBTF(root: options.root)
            ? .init(isAvailable: true, detail: path)
            : .init(isAvailable: false, detail: "no \(path): the kernel log is read by polling")
    }

    private static func bpf(_ capabilities: Capabilities) -> ProbeReport.Finding {
        switch -hcs_probe_check_permission() {
        case 0 where !capabilities.has("CAP_SYS_ADMIN") && !capabilities.has("CAP_PERFMON"):
            // A map may be made, a tracing program not loaded.
            .init(isAvailable: false, detail: BPFObject.permissionAdvice(capabilities))
        case 0: .init(isAvailable: true, detail: "bpf(2) is permitted")
        case EPERM: .init(isAvailable: false, detail: BPFObject.permissionAdvice(capabilities))
        case ENOSYS: .init(isAvailable: false, detail: "this kernel has no bpf(2)")
        case let number: .init(isAvailable: false, detail: "bpf(2) fails: \(SystemError.text(of: number))")
        }
    }

    private static func kernelLog(_ options: ProbeOptions, _ capabilities: Capabilities) -> ProbeReport.Finding {
        guard let path = options.kernelLogPath else { return .init(isAvailable: false, detail: "switched off") }
        do {
            // Opening is not enough: with dmesg_restrict it is the read that is refused on some kernels.
            var log = try KernelLog(path: path, start: .beginning)
            _ = try log.readAvailable(limit: 1)
            return .init(isAvailable: true, detail: "\(path) is readable")
        } catch {
            let missing = capabilities.has("CAP_SYSLOG") ? "" : " (CAP_SYSLOG missing)"
            return .init(isAvailable: false, detail: "\(error)\(missing)")
        }
    }
}
