internal import CLibELF

/// What the Go toolchain wrote about itself into a program.
package struct GoBuild: Equatable, Sendable {
    /// Such as `go1.22.1`; nil where only the build note was found.
    package var version: String?
    /// Whether C code may be in it (`CGO_ENABLED`); nil where that is not written down.
    package var usesC: Bool?

    package init(version: String? = nil, usesC: Bool? = nil) {
        self.version = version
        self.usesC = usesC
    }
}

extension ELFFile {
    /// By the section `.go.buildinfo` (debug/buildinfo), else by the note `Go` of type 4 (cmd/internal/buildid).
    func goBuild() -> GoBuild? {
        var section: ByteView?
        forEachSection { name, offset, size in
            guard name == ".go.buildinfo" else { return true }
            section = chunk(at: offset, count: min(size, 1 << 16), limit: 1 << 16) ?? ByteView([])
            return false
        }
        if let section { return Self.goBuild(section) }
        return hasGoNote() ? GoBuild() : nil
    }

    /// 14 bytes of magic, pointer size, flags; from Go 1.18 on (flag 2) two strings with their lengths from byte 32.
    static func goBuild(_ view: ByteView) -> GoBuild {
        let magic = [0xFF] + Array(" Go buildinf:".utf8)
        guard view.bytes.starts(with: magic), let flags = view.u8(15), flags & 2 != 0 else { return GoBuild() }
        var offset = 32
        func string() -> String? {
            var length = 0
            for shift in stride(from: 0, through: 28, by: 7) {
                guard let byte = view.u8(offset) else { return nil }
                offset += 1
                length |= Int(byte & 0x7F) << shift
                if byte & 0x80 == 0 {
                    guard length <= view.bytes.count - offset else { return nil }
                    defer { offset += length }
                    return String(decoding: view.bytes[offset..<offset + length], as: UTF8.self)
                }
            }
            return nil
        }
        let version = string()
        let module = string() ?? ""
        let usesC: Bool? =
            if module.contains("CGO_ENABLED=1") { true } else if module.contains("CGO_ENABLED=0") { false } else { nil }
        return GoBuild(version: version.flatMap { $0.isEmpty ? nil : $0 }, usesC: usesC)
    }

    private func hasGoNote() -> Bool {
        segments.contains { segment in
            guard segment.type == UInt32(PT_NOTE),
                let notes = chunk(at: segment.offset, count: segment.fileSize, limit: 1 << 16)
            else { return false }
            var offset = 0
            // Name and content are padded to four bytes.
            while let name = notes.u32(offset), let content = notes.u32(offset + 4), let type = notes.u32(offset + 8) {
                if type == 4, name == 4, notes.text(at: offset + 12, limit: 4) == "Go" { return true }
                offset += 12 + (Int(name) + 3) / 4 * 4 + (Int(content) + 3) / 4 * 4
            }
            return false
        }
    }
}
