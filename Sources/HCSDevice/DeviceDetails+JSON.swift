import HCSModel

extension DeviceDetails {
    package var json: JSONValue {
        JSONValue(fields: [
            ("maker", maker.map { .string($0) }),
            ("serial", serial.map { .string($0) }), ("partNumber", partNumber.map { .string($0) }),
            ("firmware", firmware.map { .string($0) }), ("architecture", architecture.map { .string($0) }),
            ("runtime", runtimeVersion.map { .string($0) }), ("partition", partition?.json),
            ("links", links.isEmpty ? nil : .array(links.prefix(Self.linkLimit).map(\.json))),
        ])
    }

    /// What is not plausible is left out; the device itself stays.
    package init(json: JSONValue) {
        func text(_ key: String) -> String? { json[key]?.string.flatMap { PrintableText.clean($0, limit: 96) } }
        self.init(
            serial: text("serial"), partNumber: text("partNumber"), firmware: text("firmware"),
            architecture: text("architecture"), runtimeVersion: text("runtime"),
            partition: json["partition"].flatMap { DevicePartition(json: $0) },
            links: (json["links"]?.array ?? []).prefix(Self.linkLimit).compactMap { DeviceLink(json: $0) })
        maker = text("maker")
    }
}

extension DevicePartition {
    package var json: JSONValue {
        JSONValue(fields: [
            ("card", .string(card.uuid)), ("profile", profile.map { .string($0) }), ("slices", JSONValue(slices)),
            ("cardSlices", JSONValue(cardSlices)),
        ])
    }

    package init?(json: JSONValue) {
        guard let card = json["card"]?.string, PrintableText.isIdentity(card),
            let slices = json["slices"]?.integer(Int.self), let whole = json["cardSlices"]?.integer(Int.self),
            (1...1024).contains(whole), (1...whole).contains(slices)
        else { return nil }
        self.init(
            card: DeviceID(card), profile: json["profile"]?.string.flatMap { PrintableText.clean($0, limit: 32) },
            slices: slices, cardSlices: whole)
    }
}

extension DeviceLink {
    package var json: JSONValue {
        JSONValue(fields: [
            ("kind", .string(kind.rawValue)), ("lane", JSONValue(lane)), ("up", .bool(up)),
            ("peer", .string(peer.rawValue)), ("address", peerAddress.map { .string($0.description) }),
            ("version", version.map { JSONValue($0) }), ("bandwidth", bandwidthGBps.map { .number($0) }),
        ])
    }

    package init?(json: JSONValue) {
        guard let kind = json["kind"]?.string.flatMap({ Kind(rawValue: $0) }),
            let lane = json["lane"]?.integer(Int.self), (0..<DeviceDetails.linkLimit).contains(lane),
            let up = json["up"]?.bool
        else { return nil }
        self.init(
            kind: kind, lane: lane, up: up, peer: json["peer"]?.string.flatMap { Peer(rawValue: $0) } ?? .unknown,
            peerAddress: json["address"]?.string.flatMap { PCIAddress($0) },
            version: json["version"]?.integer(Int.self).flatMap { (0..<1000).contains($0) ? $0 : nil },
            bandwidthGBps: json["bandwidth"]?.double.flatMap { (0...10_000).contains($0) ? $0 : nil })
    }
}
