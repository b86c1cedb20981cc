internal import FoundationEssentials
package import HCSModel
internal import HCSSystem

/// What a simulated host has. Written as JSON; reading is strict, a key or value that is not understood is an error that
/// names its place.
///
///     {"name": "demo", "devices": [
///       {"vendor": "nvidia", "model": "NVIDIA H100 80GB HBM3", "memory": "80Gi", "numa": 0}]}
package struct Scenario: Sendable, Equatable, Codable {
    /// Only `vendor`, `model` and `memory` must be given.
    package struct Device: Sendable, Equatable, Codable {
        package var vendor: Vendor
        /// As the vendor's library reports it. 1 to 95 printable ASCII characters.
        package var model: String
        /// Bytes in all, written as the quota grammar's size ("80Gi"). At most 16Ti.
        package var memory: ByteCount
        /// 8-4-4-4-12 hexadecimal; without it one is derived from the scenario's name and the device's position.
        package var uuid: DeviceUUID?
        /// Without it `ffff:10+position:00.0`: a domain that no host has.
        package var pci: PCIAddress?
        /// NUMA node 0 to 1023; nil = none.
        package var numa: UInt32?
        /// Degrees Celsius, 0 to 150.
        package var temperature: UInt64
        /// Watts, 0 to 10000.
        package var power: UInt64
        /// Percent.
        package var utilization: UInt64
        /// Compute cores as the vendor counts them.
        package var cores: UInt32
        /// The driver rounds each allocation up to this; a power of two from 1 to 1Gi.
        package var granularity: ByteCount
        /// Other figures by their names in `SimulatedHost.figureNames`; nil = the library does not support it.
        package var figures: [String: UInt64?]
        /// Lanes to other devices, by lane number.
        package var links: [Link]
        /// MIG instances that an NVIDIA card is cut into; empty = it is not.
        package var mig: [Instance]

        /// One MIG instance.
        package struct Instance: Sendable, Equatable, Codable {
            package var memory: ByteCount
            /// Of the seven that a card has.
            package var slices: UInt32

            package init(memory: ByteCount, slices: UInt32) {
                self.memory = memory
                self.slices = slices
            }

            /// As the library names it.
            package var profile: String { "\(slices)g.\(memory.bytes >> 30)gb" }

            fileprivate static func fit(_ instances: [Instance], in card: ByteCount) -> Bool {
                instances.allSatisfy {
                    (1...UInt32(SimulatedHost.sliceLimit)).contains($0.slices) && $0.memory >= .mebibytes(1)
                }
                    && instances.map { Int($0.slices) }.reduce(0, +) <= SimulatedHost.sliceLimit
                    && instances.map(\.memory).reduce(.zero) { $0.adding($1) } <= card
            }

            private enum CodingKeys: String, CodingKey, CaseIterable { case profile, memory, slices }

            package init(from decoder: any Decoder) throws {
                try decoder.rejectUnknownKeys(CodingKeys.self)
                let values = try decoder.container(keyedBy: CodingKeys.self)
                do {
                    memory = try ByteCount.parse(values.decode(String.self, forKey: .memory))
                } catch let error as ModelError {
                    throw DecodingError.dataCorruptedError(
                        forKey: .memory, in: values, debugDescription: error.message)
                }
                slices = try values.decode(UInt32.self, forKey: .slices)
                let profile = try values.decodeIfPresent(String.self, forKey: .profile)
                guard profile == nil || profile == self.profile else {
                    throw DecodingError.dataCorruptedError(
                        forKey: .profile, in: values,
                        debugDescription: "slices and memory make it \(self.profile)")
                }
            }

            package func encode(to encoder: any Encoder) throws {
                var values = encoder.container(keyedBy: CodingKeys.self)
                try values.encode(String(memory.bytes), forKey: .memory)
                try values.encode(slices, forKey: .slices)
            }
        }

        /// One lane.
        package struct Link: Sendable, Equatable, Codable {
            /// Position of the other device in the scenario; nil = a switch.
            package var peer: UInt32?
            package var version: UInt32

            package init(peer: UInt32?, version: UInt32 = 4) {
                self.peer = peer
                self.version = version
            }

            private enum CodingKeys: String, CodingKey, CaseIterable { case peer, version }

            package init(from decoder: any Decoder) throws {
                try decoder.rejectUnknownKeys(CodingKeys.self)
                let values = try decoder.container(keyedBy: CodingKeys.self)
                self.init(
                    peer: try values.decodeIfPresent(UInt32.self, forKey: .peer),
                    version: try values.decodeIfPresent(UInt32.self, forKey: .version) ?? 4)
            }
        }

        package init(
            vendor: Vendor, model: String, memory: ByteCount, uuid: DeviceUUID? = nil, pci: PCIAddress? = nil,
            numa: UInt32? = nil, temperature: UInt64 = 45, power: UInt64 = 100, utilization: UInt64 = 0,
            cores: UInt32? = nil, granularity: ByteCount = .mebibytes(2), figures: [String: UInt64?] = [:],
            links: [Link] = [], mig: [Instance] = []
        ) {
            self.vendor = vendor
            self.model = model
            self.memory = memory
            self.uuid = uuid
            self.pci = pci
            self.numa = numa
            self.temperature = temperature
            self.power = power
            self.utilization = utilization
            self.cores = cores ?? vendor.simulatedCores
            self.granularity = granularity
            self.figures = figures
            self.links = links
            self.mig = mig
        }

        private enum CodingKeys: String, CodingKey, CaseIterable {
            case vendor, model, memory, uuid, pci, numa, temperature, power, utilization, cores, granularity
            case figures, links, mig
        }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            func size(_ key: CodingKeys) throws -> ByteCount {
                do {
                    return try ByteCount.parse(values.decode(String.self, forKey: key))
                } catch let error as ModelError {
                    throw DecodingError.dataCorruptedError(forKey: key, in: values, debugDescription: error.message)
                }
            }
            func ensure(_ key: CodingKeys, _ holds: Bool, _ rule: String) throws {
                guard holds else {
                    throw DecodingError.dataCorruptedError(forKey: key, in: values, debugDescription: rule)
                }
            }
            let vendor = try values.decode(Vendor.self, forKey: .vendor)
            let uuid = try values.decodeIfPresent(String.self, forKey: .uuid)
            self.init(
                vendor: vendor,
                model: try values.decode(String.self, forKey: .model),
                memory: try size(.memory),
                uuid: uuid.flatMap { DeviceUUID($0) },
                pci: try values.decodeIfPresent(PCIAddress.self, forKey: .pci),
                numa: try values.decodeIfPresent(UInt32.self, forKey: .numa),
                temperature: try values.decodeIfPresent(UInt64.self, forKey: .temperature) ?? 45,
                power: try values.decodeIfPresent(UInt64.self, forKey: .power) ?? 100,
                utilization: try values.decodeIfPresent(UInt64.self, forKey: .utilization) ?? 0,
                cores: try values.decodeIfPresent(UInt32.self, forKey: .cores),
                granularity: values.contains(.granularity) ? try size(.granularity) : .mebibytes(2),
                figures: try values.decodeIfPresent([String: UInt64?].self, forKey: .figures) ?? [:],
                links: try values.decodeIfPresent([Link].self, forKey: .links) ?? [],
                mig: try values.decodeIfPresent([Instance].self, forKey: .mig) ?? [])
            try ensure(.uuid, uuid == nil || self.uuid != nil, "must have the form 8-4-4-4-12 in hexadecimal")
            try ensure(
                .model, (1...95).contains(model.utf8.count) && model.utf8.allSatisfy { (0x20..<0x7f).contains($0) },
                "must be 1 to 95 printable ASCII characters")
            try ensure(.memory, memory > .zero && memory <= .gibibytes(16 << 10), "must be from 1 byte to 16Ti")
            try ensure(
                .granularity,
                granularity.bytes.nonzeroBitCount == 1 && granularity <= .gibibytes(1),
                "must be a power of two from 1 to 1Gi")
            try ensure(.numa, (numa ?? 0) < 1024, "must be below 1024")
            try ensure(.temperature, temperature <= 150, "must be 0 to 150 degrees Celsius")
            try ensure(.power, power <= 10_000, "must be 0 to 10000 watts")
            try ensure(.utilization, utilization <= 100, "must be 0 to 100 percent")
            try ensure(.cores, cores <= 1_000_000, "must be at most 1000000")
            let unknown = figures.keys.sorted().first { !SimulatedHost.figureNames.contains($0) }
            try ensure(
                .figures, unknown == nil,
                "'\(unknown?.prefix(40) ?? "")' is none of \(SimulatedHost.figureNames.joined(separator: ", "))")
            try ensure(
                .links, links.count <= SimulatedHost.laneLimit && links.allSatisfy { (1...100).contains($0.version) },
                "must be at most \(SimulatedHost.laneLimit) lanes with versions from 1 to 100")
            try ensure(
                .mig, mig.isEmpty || vendor == .nvidia && Instance.fit(mig, in: memory),
                "must be instances of an nvidia card that share its memory and its \(SimulatedHost.sliceLimit) slices")
        }

        package func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(vendor, forKey: .vendor)
            try values.encode(model, forKey: .model)
            try values.encode(String(memory.bytes), forKey: .memory)
            try values.encodeIfPresent(uuid?.description, forKey: .uuid)
            try values.encodeIfPresent(pci, forKey: .pci)
            try values.encodeIfPresent(numa, forKey: .numa)
            try values.encode(temperature, forKey: .temperature)
            try values.encode(power, forKey: .power)
            try values.encode(utilization, forKey: .utilization)
            try values.encode(cores, forKey: .cores)
            try values.encode(String(granularity.bytes), forKey: .granularity)
            try values.encode(figures, forKey: .figures)
            try values.encode(links, forKey: .links)
            try values.encode(mig, forKey: .mig)
        }
    }

    package static let deviceLimit = 64
    package static let sizeLimit = 1 << 20

    /// Seeds the derived UUIDs. 1 to 64 characters.
    package var name: String
    package var devices: [Device]

    package init(name: String, devices: [Device]) {
        self.name = name
        self.devices = devices
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case name, devices }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decodeIfPresent(String.self, forKey: .name) ?? "default"
        guard (1...64).contains(name.utf8.count) else {
            throw DecodingError.dataCorruptedError(
                forKey: .name, in: values, debugDescription: "must be 1 to 64 bytes long")
        }
        devices = try values.decode([Device].self, forKey: .devices)
        if let problem = problem {
            throw DecodingError.dataCorruptedError(forKey: .devices, in: values, debugDescription: problem)
        }
    }

    /// What no single device shows: too many, or two that claim the same identity or slot.
    var problem: String? {
        guard devices.count <= Self.deviceLimit else {
            return "has \(devices.count) devices, at most \(Self.deviceLimit) fit"
        }
        let places = devices.count + devices.map(\.mig.count).reduce(0, +)
        guard places <= Self.deviceLimit else {
            return "has \(places) devices and MIG instances, at most \(Self.deviceLimit) fit"
        }
        let positions = devices.indices
        for (position, device) in devices.enumerated() {
            let lane = device.links.firstIndex { $0.peer.map { $0 == position || $0 >= devices.count } ?? false }
            if let lane { return "has a link from [\(position)] (lane \(lane)) to no other device" }
        }
        guard Set(positions.map { self.uuid(at: $0) }).count == devices.count else { return "has a UUID twice" }
        guard Set(positions.map { self.pci(at: $0) }).count == devices.count else { return "has a PCI address twice" }
        return nil
    }

    package func uuid(at position: Int) -> DeviceUUID {
        devices[position].uuid ?? DeviceUUID(scenario: name, position: position)
    }

    /// Of a MIG instance of the device at `position`; its identity begins with `MIG-`.
    package func uuid(ofInstance instance: Int, at position: Int) -> DeviceUUID {
        DeviceUUID(scenario: "\(name)/mig/\(position)", position: instance)
    }

    package func pci(at position: Int) -> PCIAddress {
        devices[position].pci ?? PCIAddress(domain: 0xffff, bus: UInt8(0x10 + position), device: 0, function: 0)
    }

    /// Reads JSON of at most 1 MiB.
    package static func parse(_ json: [UInt8]) throws(SimulationError) -> Scenario {
        guard json.count <= sizeLimit else { throw SimulationError(.badScenario, "the scenario is larger than 1 MiB") }
        do {
            return try JSONDecoder().decode(Scenario.self, from: Data(json))
        } catch {
            throw SimulationError(.badScenario, "the scenario is not understood: \(explain(error))")
        }
    }

    package static func load(path: String) throws(SimulationError) -> Scenario {
        let json: [UInt8]
        do {
            json = try SmallFile.read(path, limit: sizeLimit)
        } catch {
            throw SimulationError(error.code == .notFound ? .notFound : .io, error.message)
        }
        do throws(SimulationError) {
            return try parse(json)
        } catch {
            throw SimulationError(error.code, "\(path): \(error.message)")
        }
    }

    private static func explain(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, let context): "\(place(context.codingPath + [key])) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(place(context.codingPath)): \(context.debugDescription)"
        default: "\(error)"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        let text = path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text.isEmpty ? "top level" : text
    }
}

extension Vendor {
    /// Cores of the card that stands for the vendor in our scenarios: H100 (CUDA cores), 910B3 (AI cores), K100_AI
    /// (compute units), MLU370-X8 (clusters' cores).
    fileprivate var simulatedCores: UInt32 {
        switch self {
        case .nvidia: 16896
        case .ascend: 20
        case .hygon: 120
        case .cambricon: 16
        }
    }
}
