package import HCSModel

extension MeasuredFigures {
    private static let maximumNotes = 16
    /// TFLOPS and GB/s of one device; no card has a tenth of it.
    private static let plausible = 1e-9...1e5

    package var json: JSONValue {
        JSONValue(fields: [
            ("tflops", JSONValue(fields: tflops.map { ($0.key.rawValue, .number($0.value)) })),
            ("bandwidthGBps", bandwidthGBps.map { .number($0) }), ("method", .string(method)),
            ("notes", .array(notes.prefix(Self.maximumNotes).map { .string($0) })),
        ])
    }

    /// - Throws: `badReply` where it is no measurement at all. A figure that cannot be true is left out, with a note.
    package init(json: JSONValue) throws(DeviceError) {
        guard let method = json["method"]?.string.flatMap({ PrintableText.clean($0) }), json["tflops"] != nil else {
            throw DeviceError(.badReply, "it is no measurement")
        }
        self.init(method: method)
        for note in (json["notes"]?.array ?? []).prefix(Self.maximumNotes) {
            if let text = note.string.flatMap({ PrintableText.clean($0, limit: 256) }) { notes.append(text) }
        }
        for (name, value) in json["tflops"]?.fields.prefix(Precision.allCases.count) ?? [] {
            guard let precision = Precision(rawValue: name) else { continue }
            tflops[precision] = plausible(value, name)
        }
        if let value = json["bandwidthGBps"] { bandwidthGBps = plausible(value, "bandwidth") }
    }

    private mutating func plausible(_ value: JSONValue, _ name: String) -> Double? {
        if let value = value.double, Self.plausible.contains(value) { return value }
        notes.append("\(name): a figure that cannot be true was dropped")
        return nil
    }
}

extension MeasuredFingerprint {
    package var json: JSONValue {
        var figures = MeasuredFigures(method: method)
        figures.tflops = tflops
        figures.bandwidthGBps = bandwidthGBps
        figures.notes = notes
        return JSONValue(fields: [
            ("figures", figures.json), ("driver", driverVersion.map { .string($0) }),
            ("maximumClockMHz", maximumClockMHz.map { JSONValue($0) }), ("at", JSONValue(atMilliseconds)),
            ("simulated", .bool(simulated)),
        ])
    }

    /// - Throws: `badReply`.
    package init(json: JSONValue) throws(DeviceError) {
        guard let figures = json["figures"], let at = json["at"]?.integer(Int64.self), at >= 0,
            let simulated = json["simulated"]?.bool
        else { throw DeviceError(.badReply, "it is no measurement") }
        self.init(
            figures: try MeasuredFigures(json: figures),
            driverVersion: json["driver"]?.string.flatMap { PrintableText.clean($0) },
            maximumClockMHz: json["maximumClockMHz"]?.integer(), atMilliseconds: at, simulated: simulated)
    }

    package init(
        figures: MeasuredFigures, driverVersion: String?, maximumClockMHz: UInt32?, atMilliseconds: Int64,
        simulated: Bool
    ) {
        self.init(
            tflops: figures.tflops, bandwidthGBps: figures.bandwidthGBps, method: figures.method,
            driverVersion: driverVersion, maximumClockMHz: maximumClockMHz, atMilliseconds: atMilliseconds,
            notes: figures.notes, simulated: simulated)
    }
}
