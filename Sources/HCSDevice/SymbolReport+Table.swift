extension SymbolReport {
    /// Reads a table that `hcs_<lib>_load` filled (`hcs_load.h`) through its generated accessors.
    init(
        library: String, count: Int32, name: (Int32) -> UnsafePointer<CChar>?, present: (Int32) -> Bool
    ) {
        var missing: [String] = []
        for position in 0..<count where !present(position) {
            if let name = name(position) { missing.append(String(cString: name)) }
        }
        self.init(library: library, present: Int(count) - missing.count, missing: missing)
    }

    /// - Throws: `symbolsMissing`, naming those of `names` that the library lacks.
    func require(_ names: [String]) throws(DeviceError) {
        let lacking = names.filter { missing.contains($0) }
        guard lacking.isEmpty else {
            throw DeviceError(.symbolsMissing, "\(library) lacks \(lacking.joined(separator: ", "))")
        }
    }
}
