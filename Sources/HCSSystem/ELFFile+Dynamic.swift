internal import CLibELF

/// What the dynamic loader reads: found by program headers, as it does, so that a file without section headers is
/// understood as well.
extension ELFFile {
    /// The dynamic section's entries that matter here.
    struct Dynamic {
        var needed: [String] = []
        var soname: String?
        var rpath: String?
        var runpath: String?
        var isSymbolic = false
        var isPositionIndependentProgram = false
        var ignoresDefaultDirectories = false
        fileprivate var numbers: [Int64: UInt64] = [:]
        fileprivate var strings = ByteView([])
        /// False where a name's place is not in the file.
        var isWhole = true
    }

    /// A name with the version it is bound to, where it has one.
    struct Symbol: Equatable {
        var name: String
        var version: String?
        var isDefined: Bool
    }

    /// The loader that PT_INTERP names.
    func interpreter() -> String? {
        guard let segment = segment(PT_INTERP) else { return nil }
        return chunk(at: segment.offset, count: segment.fileSize, limit: Limit.name)?.text(at: 0)
    }

    /// nil where there is no PT_DYNAMIC, or none that can be read.
    func dynamic() -> Dynamic? {
        let size = 16
        guard let segment = segment(PT_DYNAMIC),
            let table = chunk(
                at: segment.offset, count: segment.fileSize, limit: Limit.dynamicEntries * size)
        else { return nil }
        var result = Dynamic()
        var texts: [(tag: Int64, offset: UInt64)] = []
        for start in stride(from: 0, to: table.bytes.count, by: size) {
            guard let tag = table.u64(start).map({ Int64(bitPattern: $0) }), let value = table.u64(start + 8),
                tag != Int64(DT_NULL)
            else { break }
            switch tag {
            case Int64(DT_NEEDED), Int64(DT_SONAME), Int64(DT_RPATH), Int64(DT_RUNPATH): texts.append((tag, value))
            default: result.numbers[tag] = value
            }
        }
        result.readFlags()
        if let address = result.numbers[Int64(DT_STRTAB)], let size = result.numbers[Int64(DT_STRSZ)],
            let strings = memory(at: address, count: size, limit: Limit.strings)
        {
            result.strings = strings
        }
        for (tag, offset) in texts {
            guard let offset = Int(exactly: offset), let text = result.strings.text(at: offset) else {
                result.isWhole = false
                continue
            }
            switch tag {
            case Int64(DT_NEEDED): result.needed.append(text)
            case Int64(DT_SONAME): result.soname = text
            case Int64(DT_RPATH): result.rpath = text
            default: result.runpath = text
            }
        }
        return result
    }

    /// Calls back with every dynamic symbol that has a name.
    func forEachSymbol(_ dynamic: Dynamic, _ body: (Symbol) -> Void) {
        let size = 24
        guard let address = dynamic.numbers[Int64(DT_SYMTAB)] else { return }
        let count = symbolCount(dynamic)
        guard count > 0, let table = memory(at: address, count: UInt64(count * size), limit: Limit.symbols * size)
        else { return }
        let versions = dynamic.numbers[Int64(DT_VERSYM)].flatMap {
            memory(at: $0, count: UInt64(count * 2), limit: Limit.symbols * 2)
        }
        let names = versionNames(dynamic)
        for index in 1..<max(count, 1) {
            let start = index * size
            guard let offset = table.u32(start), let section = table.u16(start + 6) else { return }
            guard offset != 0, let name = dynamic.strings.text(at: Int(offset)) else { continue }
            let version = versions?.u16(index * 2).flatMap { names[$0 & 0x7FFF] }
            body(Symbol(name: name, version: version, isDefined: section != UInt16(SHN_UNDEF)))
        }
    }

    /// Neither table says how many symbols there are; the hash tables do.
    private func symbolCount(_ dynamic: Dynamic) -> Int {
        if let address = dynamic.numbers[Int64(DT_HASH)], let head = memory(at: address, count: 8, limit: 8),
            let count = head.u32(4)
        {
            return min(Int(count), Limit.symbols)
        }
        guard let address = dynamic.numbers[Int64(DT_GNU_HASH)] else { return 0 }
        return countByGNUHash(address) ?? 0
    }

    /// The highest bucket leads to the last chain; its end is the last symbol. Without any, only the imports count.
    private func countByGNUHash(_ address: UInt64) -> Int? {
        guard let head = memory(at: address, count: 16, limit: 16), let buckets = head.u32(0),
            let first = head.u32(4), let words = head.u32(8),
            buckets > 0, buckets <= Limit.symbols, words <= Limit.symbols, first <= Limit.symbols
        else { return nil }
        // Wrapping: an address near the end of the address space is a foreign number like any other.
        let bucketsAt = address &+ 16 &+ UInt64(words) * 8
        guard let table = memory(at: bucketsAt, count: UInt64(buckets) * 4, limit: Limit.symbols * 4)
        else { return nil }
        let highest = (0..<Int(buckets)).reduce(UInt32(0)) { max($0, table.u32($1 * 4) ?? 0) }
        guard highest >= first, highest <= Limit.symbols else { return Int(first) }
        let chainAt = bucketsAt &+ UInt64(buckets) * 4 &+ UInt64(highest - first) * 4
        guard let chain = memory(at: chainAt, limit: Limit.symbols * 4) else { return Int(first) }
        var index = Int(highest)
        while index < Limit.symbols, let link = chain.u32((index - Int(highest)) * 4) {
            index += 1
            if link & 1 == 1 { return index }
        }
        return Int(first)
    }

    /// Versions that are asked of other libraries, by the index that symbols carry.
    private func versionNames(_ dynamic: Dynamic) -> [UInt16: String] {
        guard let address = dynamic.numbers[Int64(DT_VERNEED)], let table = memory(at: address, limit: 1 << 20)
        else { return [:] }
        var names: [UInt16: String] = [:]
        var file = 0
        // Chains of relative offsets: a step forward each time, and not more of them than there can be versions.
        for _ in 0..<1024 {
            guard let count = table.u16(file + 2), let first = table.u32(file + 8), let next = table.u32(file + 12)
            else { break }
            var entry = file + Int(first)
            for _ in 0..<count {
                guard let index = table.u16(entry + 6), let name = table.u32(entry + 8),
                    let step = table.u32(entry + 12)
                else { break }
                names[index & 0x7FFF] = dynamic.strings.text(at: Int(name))
                if step == 0 || names.count > 1 << 15 { break }
                entry += Int(step)
            }
            if next == 0 { break }
            file += Int(next)
        }
        return names
    }
}

extension ELFFile.Dynamic {
    fileprivate mutating func readFlags() {
        let flags = numbers[Int64(DT_FLAGS)] ?? 0
        let more = numbers[Int64(DT_FLAGS_1)] ?? 0
        isSymbolic = numbers[Int64(DT_SYMBOLIC)] != nil || flags & UInt64(DF_SYMBOLIC) != 0
        isPositionIndependentProgram = more & UInt64(DF_1_PIE) != 0
        ignoresDefaultDirectories = more & UInt64(DF_1_NODEFLIB) != 0
    }
}
