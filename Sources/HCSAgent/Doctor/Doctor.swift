import Foundation
import Glibc
import HCSCatalog
import HCSDevice
import HCSModel
import HCSProbe
import HCSSystem

/// Looks at everything the agent needs and says what is there. Changes nothing.
package enum Doctor {
    /// - Parameter configuration: where the agent would look for its parts.
    package static func examine(_ configuration: AgentConfiguration) async -> DoctorReport {
        let host = await Agent.blocking {
            let reader = HostWatch.reader(configuration)
            var facts = reader.read()
            reader.refresh(&facts)
            return facts
        }
        let vendors = await examineVendors(configuration)
        let probes = await Agent.blocking {
            ProbeDoctor.report(options: configuration.probes(start: .now))
        }
        var checks = [
            check("kernel BTF", probes.btf), check("eBPF", probes.bpf), check("kernel log", probes.kernelLog),
            DoctorReport.Check("capabilities", .info, capabilities(probes.capabilities)),
        ]
        checks += probes.capabilityUses.map { check($0.name, $0.finding) }
        checks += probes.probes.map {
            DoctorReport.Check(
                "probe \($0.name)", $0.state == .attached ? .ok : .info, "\($0.state.rawValue): \($0.detail)")
        }
        checks += await Agent.blocking { hostChecks(configuration) }
        checks += facts(host)
        return DoctorReport(
            version: HCSVersion.current, host: host.hostname, kernel: host.kernel, architecture: host.architecture,
            vendors: vendors, checks: checks, summary: summary(vendors, host), facts: host)
    }

    private static func check(_ name: String, _ finding: ProbeReport.Finding) -> DoctorReport.Check {
        DoctorReport.Check(name, finding.isAvailable ? .ok : .missing, finding.detail)
    }

    private static func capabilities(_ held: [String]) -> String {
        let useful = [
            "CAP_BPF", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_KILL",
            "CAP_SYS_ADMIN",
        ]
        let have = useful.filter(held.contains)
        return have.isEmpty ? "none of \(useful.joined(separator: " "))" : have.joined(separator: " ")
    }

    // MARK: Vendors

    private static func examineVendors(_ configuration: AgentConfiguration) async -> [DoctorReport.VendorFinding] {
        guard FileManager.default.isExecutableFile(atPath: configuration.worker) else {
            return Vendor.allCases.map {
                DoctorReport.VendorFinding(
                    vendor: $0, result: .info,
                    detail: "not looked for: no vendor worker at \(configuration.worker) (--worker)")
            }
        }
        let manager = Agent.deviceManager(configuration)
        let devices = await manager.settledInventory()
        let statuses = await manager.statuses
        let reports = await manager.symbols()
        await manager.stop()
        return zip(statuses, reports).map { status, entry in
            let found = devices.filter { $0.vendor == status.vendor && $0.simulated == status.simulated }.count
            let mark = status.simulated ? " (simulated)" : ""
            let reason = ([status.reason].compactMap { $0 } + status.skippedDevices).joined(separator: "; ")
            let works = status.state == .running
            guard let report = entry.report else {
                // Absent is the usual case; one that hangs or crashes when it is opened is there.
                return DoctorReport.VendorFinding(
                    vendor: status.vendor, result: status.state == .absent ? .absent : .fails,
                    detail: (reason.isEmpty ? "no library" : reason) + mark)
            }
            var detail = "\(report.library)\(mark), \(report.present) functions"
            if works { detail += ", \(found) device\(found == 1 ? "" : "s")" }
            if !reason.isEmpty { detail += "; \(reason)" }
            return DoctorReport.VendorFinding(
                vendor: status.vendor, result: works ? .ok : .fails, library: report.library, symbols: report.present,
                missingSymbols: report.missing, devices: found, detail: detail)
        }
    }

    private static func summary(_ vendors: [DoctorReport.VendorFinding], _ host: HostFacts) -> String {
        let devices = vendors.reduce(0) { $0 + $1.devices }
        if devices > 0 { return "\(devices) device\(devices == 1 ? "" : "s") can be offered to the scheduler." }
        let functions = host.acceleratorFunctions.count
        let failing = vendors.filter { $0.result == .fails }.map(\.vendor.displayName)
        if !failing.isEmpty {
            return
                "The library of \(failing.joined(separator: ", ")) is here and does not work, for the reason above: most "
                + "often its driver is not loaded. The agent runs, registers this host with zero devices, and tries again."
        }
        if functions > 0 {
            return
                "The PCI bus has \(functions) function\(functions == 1 ? "" : "s") of an accelerator maker, but no library answers for "
                + "them: install the vendor's driver. The agent runs and registers this host with zero devices."
        }
        if vendors.allSatisfy({ $0.result == .absent }) {
            return
                "This machine has none of the four vendors: no NVIDIA, Ascend, Hygon or Cambricon library and no such device. "
                + "That is no error: the agent runs and registers it with zero devices. To try HCS here, use --simulate."
        }
        return "A vendor's library is here, but it lists no device. The agent registers this host with zero devices."
    }

    // MARK: The host

    private static func hostChecks(_ configuration: AgentConfiguration) -> [DoctorReport.Check] {
        [cgroups(), sharedMemory(configuration), user(configuration), catalog(configuration)]
            + [
                ("preload library", configuration.interceptor, "--interceptor", "no workload can be started"),
                ("shim", configuration.shim, "--shim", "no workload can be started"),
                ("vendor worker", configuration.worker, "--worker", "no device can be found"),
            ].map { name, path, flag, loss in
                FileManager.default.isReadableFile(atPath: path)
                    ? DoctorReport.Check(name, .ok, path)
                    : DoctorReport.Check(name, .missing, "not at \(path) (\(flag)): without it \(loss)")
            }
    }

    private static func catalog(_ configuration: AgentConfiguration) -> DoctorReport.Check {
        let files = Catalog.builtIn.overridden(by: configuration.catalogDirectory).files
        let words = files.map { file in
            file.problem.map { "left out: \($0)" } ?? "\(file.path): \(file.cards) card\(file.cards == 1 ? "" : "s")"
        }
        return DoctorReport.Check(
            "catalogue", files.contains { $0.problem != nil } ? .missing : .ok,
            (["\(Catalog.builtIn.rows.count) cards built in"] + words).joined(separator: "; "))
    }

    private static func cgroups() -> DoctorReport.Check {
        let found = CgroupReport.read().hierarchies
        guard !found.isEmpty else {
            return DoctorReport.Check("cgroups", .missing, "none mounted: processes are found by session and group")
        }
        let words = found.map {
            "v\($0.version.rawValue) at \($0.mountPoint)\($0.writable ? "" : " (read-only for us)")"
        }
        return DoctorReport.Check(
            "cgroups", .ok, words.prefix(3).joined(separator: ", ") + (words.count > 3 ? ", \(words.count) in all" : "")
        )
    }

    private static func sharedMemory(_ configuration: AgentConfiguration) -> DoctorReport.Check {
        var status = statvfs()
        guard statvfs("/dev/shm", &status) == 0 else {
            return DoctorReport.Check("shared memory", .missing, "no /dev/shm: segments cannot be made")
        }
        let free = ByteCount(UInt64(status.f_bavail) * UInt64(status.f_frsize))
        let writable = access("/dev/shm", W_OK) == 0
        return DoctorReport.Check(
            "shared memory", writable ? .ok : .missing,
            "/dev/shm has \(free) free\(writable ? "" : ", but may not be written"); segments in \(configuration.segmentDirectory)"
        )
    }

    private static func user(_ configuration: AgentConfiguration) -> DoctorReport.Check {
        guard configuration.isRoot else {
            return DoctorReport.Check(
                "workload user", .info, "the agent is not root: workloads run as user \(geteuid())")
        }
        do {
            let user = try AgentUser.forWorkloads(named: configuration.workloadUser)
            return DoctorReport.Check("workload user", .ok, "\(user.name) (uid \(user.uid), gid \(user.gid))")
        } catch { return DoctorReport.Check("workload user", .missing, error.message) }
    }
}
