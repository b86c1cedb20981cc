import Glibc
import HCSAPI
import HCSCatalog
import HCSDevice
import HCSModel
import HCSSystem

/// `hcs-agent fingerprint`: shows what is known, measures where that is asked for.
package enum Fingerprinter {
    package struct Request: Hashable, Sendable {
        package var measure: Bool
        package var cpu: Bool
        /// UUIDs, their beginnings, `vendor:index` or `all`; empty = all, or none where the processors are asked for.
        package var devices: [String]

        package init(measure: Bool = false, cpu: Bool = false, devices: [String] = []) {
            self.measure = measure
            self.cpu = cpu
            self.devices = devices
        }
    }

    /// An agent that runs knows the devices, simulated ones too, and is asked first; the libraries are opened where none
    /// answers, where this is to simulate a host itself, and to measure.
    /// - Throws: `AgentError` for a device that is not there, or where nothing can be asked.
    package static func examine(
        _ configuration: AgentConfiguration, _ request: Request
    ) async throws(AgentError) -> FingerprintReport {
        guard access(configuration.worker, X_OK) == 0 else {
            throw AgentError(.unavailable, "no vendor worker at \(configuration.worker) (--worker)")
        }
        let manager = Agent.deviceManager(configuration)
        var (devices, asked): ([Device], [String]) = ([], [])
        if !request.cpu || !request.devices.isEmpty {
            let agent = await told(configuration)
            (devices, asked) = (agent.devices ?? [], agent.words.map { [$0] } ?? [])
            if agent.devices == nil || request.measure {
                let listed = await manager.settledInventory()
                devices = listed + devices.filter { device in !listed.contains { $0.id == device.id } }
                asked.append("Asked: the vendors' libraries: \(count(listed))")
            }
        }
        let result: Result<FingerprintReport, AgentError>
        do throws(AgentError) {
            result = .success(try await examine(configuration, request, manager, devices, asked))
        } catch {
            result = .failure(error)
        }
        await manager.stop()
        return try result.get()
    }

    /// The devices of this configuration's agent, nil where none tells; and what is to be said of that.
    private static func told(_ configuration: AgentConfiguration) async -> (devices: [Device]?, words: String?) {
        guard configuration.simulation == nil else { return (nil, nil) }
        let socket = configuration.socketPath
        guard access(socket, F_OK) == 0 else { return (nil, "No agent: there is no \(socket)") }
        do {
            let store = MeasurementStore(directory: configuration.fingerprintsDirectory)
            let devices = try await ask(socket).devices.map { report in
                var device = report.device
                // It reads a new measurement with its next inventory.
                device.fingerprint.measured =
                    device.fingerprint.measured
                    ?? store.current(
                        of: device.id.uuid, driverVersion: device.driverVersion,
                        maximumClockMHz: report.sample?.signals[.clockMaximum, "compute"].flatMap {
                            UInt32(exactly: $0)
                        },
                        simulated: device.simulated)
                return device
            }
            return (devices, "Asked: the agent at \(socket): \(count(devices))")
        } catch { return (nil, "No answer from the agent at \(socket): \(error)") }
    }

    private static func ask(_ socket: String) async throws -> AgentStatus {
        try await HTTPAPIClient.with(endpoint: .unixSocket(path: socket), token: nil) {
            try await AgentClient($0).status()
        }
    }

    private static func count(_ devices: [Device]) -> String {
        guard !devices.isEmpty else { return "no devices" }
        let simulated = devices.count(where: \.simulated)
        let words = "\(devices.count) device\(devices.count == 1 ? "" : "s")"
        return simulated == 0
            ? words : simulated == devices.count ? "\(words), simulated" : "\(words), \(simulated) simulated"
    }

    private static func examine(
        _ configuration: AgentConfiguration, _ request: Request, _ manager: DeviceManager, _ devices: [Device],
        _ asked: [String]
    ) async throws(AgentError) -> FingerprintReport {
        let wanted = try select(request, from: devices)
        let store = MeasurementStore(directory: configuration.fingerprintsDirectory)
        let measurer = Measurer(executable: configuration.worker, hostEnvironment: StandardDirectories.current())
        let samples = request.measure && !wanted.isEmpty ? await manager.sample().samples : [:]
        let taken = request.measure && !wanted.isEmpty ? try await leased(configuration) : nil
        var entries: [FingerprintReport.DeviceEntry] = []
        for device in devices where wanted.contains(device.id) {
            var entry = FingerprintReport.DeviceEntry(device)
            if entry.fingerprint.measured == nil {
                entry.outdated = store.last(of: device.id.uuid, simulated: device.simulated)
            }
            if request.measure {
                do throws(AgentError) {
                    guard let origin = await manager.origin(of: device.id) else {
                        throw AgentError(
                            .unavailable,
                            device.simulated
                                ? "the agent simulates it: only with the agent's own --simulate can it be measured here"
                                : "the agent has it, but its vendor's library does not list it here")
                    }
                    let busy =
                        taken?.reason(for: device.id)
                        ?? (samples[device.id].map { $0.busyReason(memory: device.memory) }
                            ?? "its vendor's library did not answer")
                    if let busy { throw AgentError(.unavailable, busy) }
                    let figures = try await figures(of: device, origin.source, measurer)
                    let measured = MeasuredFingerprint(
                        figures: figures, driverVersion: device.driverVersion,
                        maximumClockMHz: origin.maximumClockMHz, atMilliseconds: RealtimeClock.nowMilliseconds(),
                        simulated: device.simulated)
                    entry.fingerprint.measured = measured
                    entry.outdated = nil
                    try keep(measured, of: device.id.uuid, in: store)
                } catch {
                    entry.unavailable = error.message
                }
            }
            entries.append(entry)
        }
        let host = await Agent.blocking { HostFactsReader(pciVendors: []).read() }
        return FingerprintReport(
            host: host.hostname, atMilliseconds: RealtimeClock.nowMilliseconds(), asked: asked, devices: entries,
            cpu: await cpu(host, request, store, measurer),
            remark: devices.isEmpty && !request.cpu ? "No devices. `hcs doctor` says what is missing." : nil,
            problems: Catalog.builtIn.overridden(by: configuration.catalogDirectory).files.compactMap(\.problem))
    }

    // MARK: Devices

    private static func select(_ request: Request, from devices: [Device]) throws(AgentError) -> Set<DeviceID> {
        if request.devices.isEmpty { return request.cpu ? [] : Set(devices.map(\.id)) }
        var wanted: Set<DeviceID> = []
        for name in request.devices {
            if name == "all" {
                wanted.formUnion(devices.map(\.id))
                continue
            }
            let exact = devices.filter { $0.id.uuid == name || "\($0.vendor.rawValue):\($0.index)" == name }
            let found = exact.isEmpty && name.count >= 4 ? devices.filter { $0.id.uuid.hasPrefix(name) } : exact
            guard found.count == 1 else {
                throw AgentError(
                    .usage,
                    found.isEmpty
                        ? "no device '\(name.prefix(96))' here: give a UUID, its beginning, or such as nvidia:0"
                        : "'\(name.prefix(96))' is \(found.count) devices: \(found.map(\.id.uuid).joined(separator: ", "))"
                )
            }
            wanted.formUnion(found.map(\.id))
        }
        return wanted
    }

    private static func figures(
        of device: Device, _ source: VendorSource, _ measurer: Measurer
    ) async throws(AgentError) -> MeasuredFigures {
        do { return try await measurer.measure(device.id, of: source) } catch {
            throw AgentError(.unavailable, error.description)
        }
    }

    private static func keep(
        _ measured: MeasuredFingerprint, of id: String, in store: MeasurementStore
    ) throws(AgentError) {
        do { try store.save(measured, of: id) } catch { throw AgentError(.io, "measured, but not kept: \(error)") }
    }

    // MARK: Who uses them

    /// What the agents of this host have given away: this configuration's and root's.
    private static func leased(_ configuration: AgentConfiguration) async throws(AgentError) -> DevicesInUse {
        let root = "\(StandardDirectories.runtime(environment: [:], uid: 0))/agent.sock"
        var inUse = DevicesInUse()
        for socket in Set([configuration.socketPath, root]).sorted() where access(socket, F_OK) == 0 {
            do {
                inUse.add(try await ask(socket))
            } catch {
                throw AgentError(
                    .unavailable,
                    "the agent at \(socket) does not tell what it has leased: \(error). Where none runs, remove the socket"
                )
            }
        }
        return inUse
    }

    // MARK: Processors

    private static func cpu(
        _ host: HostFacts, _ request: Request, _ store: MeasurementStore, _ measurer: Measurer
    ) async -> FingerprintReport.CPUEntry {
        var entry = FingerprintReport.CPUEntry(model: host.cpuModel, count: host.cpuCount)
        let id = cpuIdentity(host)
        let known = store.last(of: id, simulated: false)
        // Mitigations of the processor's faults come with the kernel.
        entry.measured = known?.driverVersion == host.kernel ? known : nil
        guard request.measure, request.cpu else { return entry }
        do {
            let measured = MeasuredFingerprint(
                figures: try await measurer.measureCPU(), driverVersion: host.kernel, maximumClockMHz: nil,
                atMilliseconds: RealtimeClock.nowMilliseconds(), simulated: false)
            entry.measured = measured
            try keep(measured, of: id, in: store)
        } catch {
            entry.unavailable = "\(error)"
        }
        return entry
    }

    /// Another processor, or more of them, is another thing to measure.
    static func cpuIdentity(_ host: HostFacts) -> String {
        let words = host.cpuModel.prefix(64).map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return "cpu-\(String(words))-\(host.cpuCount)"
    }
}
