internal import CLibELF
internal import Glibc

/// An ELF file opened for reading. Its content is foreign: every offset is checked against the file, every count
/// against a limit, and what does not hold up is absent or an error, never a crash.
package struct ELFFile: ~Copyable {
    /// Limits that no program in use comes near (a large one: 250 000 dynamic symbols, 40 MiB of their names).
    enum Limit {
        static let programHeaders = 1024
        static let dynamicEntries = 1 << 16
        static let symbols = 1 << 20
        static let strings = 64 << 20
        static let name = 4096
    }

    package let path: String
    let file: Descriptor
    let status: stat
    private let elf: OpaquePointer
    let header: Header
    /// Empty for a file of another machine: its tables are not read.
    let segments: [Segment]

    /// What the first bytes say; the same place in 32-bit and in big-endian files.
    struct Header: Equatable {
        var is64Bit: Bool
        var isLittleEndian: Bool
        /// `ET_…` and `EM_…`.
        var type: UInt16
        var machine: UInt16

        /// Whether a process of this host's main architecture can load it.
        var isNative: Bool { is64Bit && isLittleEndian && Int32(machine) == Self.hostMachine }

        #if arch(x86_64)
        static let hostMachine = EM_X86_64
        #elseif arch(arm64)
        static let hostMachine = EM_AARCH64
        #else
        static let hostMachine = EM_NONE
        #endif
    }

    /// A program header, as much as is used of it.
    struct Segment: Equatable {
        var type: UInt32
        var offset: UInt64
        var address: UInt64
        var fileSize: UInt64
    }

    /// - Throws: `notFound` and `permission` from the system, `invalid` for what is no ELF file or a damaged one.
    package init(_ path: String) throws(SystemError) {
        // A FIFO must not block, a terminal not become ours.
        let file = try Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        let status = try file.status(of: path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError(.invalid, "\(path) is no regular file: name a program")
        }
        let header = try Self.header(of: file, path: path)
        let elf = try Self.begin(file, path: path)
        self.path = path
        self.status = status
        self.header = header
        self.elf = elf
        self.file = file
        self.segments = header.isNative ? Self.segments(of: elf) : []
    }

    /// Whether the file has all that the kernel would map of it; a download that broke off has not.
    var isComplete: Bool {
        let size = UInt64(max(0, status.st_size))
        let loaded = segments.filter { $0.type == UInt32(PT_LOAD) }
        return !loaded.isEmpty && loaded.allSatisfy { $0.offset <= size && $0.fileSize <= size - $0.offset }
    }

    deinit { elf_end(elf) }

    // MARK: Opening

    private static func header(of file: borrowing Descriptor, path: String) throws(SystemError) -> Header {
        let start = ByteView(try bytes(of: file, path: path, at: 0, count: 64))
        guard start.bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
            throw SystemError(.invalid, "\(path) is no ELF file: name a program or a script that starts with #!")
        }
        guard start.bytes.count >= 52 else { throw damaged(path, "it ends inside its first header") }
        let (bits, order) = (Int32(start.bytes[4]), Int32(start.bytes[5]))
        guard bits == ELFCLASS32 || bits == ELFCLASS64, order == ELFDATA2LSB || order == ELFDATA2MSB else {
            throw damaged(path, "its class \(bits) or byte order \(order) is unknown")
        }
        let isLittle = order == ELFDATA2LSB
        func word(_ offset: Int) -> UInt16 {
            let value = start.u16(offset) ?? 0
            return isLittle ? value : value.byteSwapped
        }
        let header = Header(
            is64Bit: bits == ELFCLASS64, isLittleEndian: isLittle, type: word(16), machine: word(18))
        // Zero sections with a table mean that its first entry holds the count, up to 2^64, and libelf makes room for
        // as many as the file seems to have. Only object files with more than 65 279 sections are written so.
        let table = isLittle && header.is64Bit ? start.u64(40) : nil
        if header.isNative, word(60) == 0, (table ?? 0) != 0 {
            throw damaged(path, "it hides how many sections it has")
        }
        return header
    }

    private static func begin(_ file: borrowing Descriptor, path: String) throws(SystemError) -> OpaquePointer {
        // Sets the version that libelf works with; needed before its first use, harmless after.
        guard elf_version(UInt32(EV_CURRENT)) != UInt32(EV_NONE) else {
            throw SystemError(.unsupported, "libelf is older than its header: install libelf1 of this distribution")
        }
        // Read, not mapped: a file that shrinks meanwhile is then a short read and no SIGBUS.
        guard let elf = elf_begin(file.number, ELF_C_READ, nil) else { throw damaged(path, lastMessage()) }
        guard elf_kind(elf) == ELF_K_ELF else {
            elf_end(elf)
            throw damaged(path, "libelf does not take it for one")
        }
        return elf
    }

    private static func segments(of elf: OpaquePointer) -> [Segment] {
        var count = 0
        guard elf_getphdrnum(elf, &count) == 0 else { return [] }
        return (0..<min(count, Limit.programHeaders)).compactMap { index in
            var entry = GElf_Phdr()
            guard gelf_getphdr(elf, Int32(index), &entry) != nil else { return nil }
            return Segment(
                type: entry.p_type, offset: entry.p_offset, address: entry.p_vaddr, fileSize: entry.p_filesz)
        }
    }

    private static func damaged(_ path: String, _ why: String) -> SystemError {
        SystemError(.invalid, "\(path) is a damaged ELF file: \(why)")
    }

    private static func lastMessage() -> String {
        elf_errmsg(-1).map { String(cString: $0) } ?? "libelf gives no reason"
    }

    // MARK: Reading

    /// Bytes of the file, all of them or nil.
    func chunk(at offset: UInt64, count: UInt64, limit: Int) -> ByteView? {
        guard count > 0, count <= UInt64(limit), let start = Int64(exactly: offset),
            let data = elf_getdata_rawchunk(elf, start, Int(count), ELF_T_BYTE), let base = data.pointee.d_buf,
            data.pointee.d_size == Int(count)
        else { return nil }
        return ByteView([UInt8](UnsafeRawBufferPointer(start: base, count: Int(count))))
    }

    /// The bytes that are loaded at an address, to the end of what the file has for it, at most `limit`.
    func memory(at address: UInt64, limit: Int) -> ByteView? {
        guard let place = place(of: address) else { return nil }
        return chunk(at: place.offset, count: min(place.count, UInt64(limit)), limit: limit)
    }

    /// Exactly `count` bytes at an address, or nil.
    func memory(at address: UInt64, count: UInt64, limit: Int) -> ByteView? {
        guard let place = place(of: address), place.count >= count else { return nil }
        return chunk(at: place.offset, count: count, limit: limit)
    }

    private func place(of address: UInt64) -> (offset: UInt64, count: UInt64)? {
        for segment in segments where segment.type == UInt32(PT_LOAD) && address >= segment.address {
            let distance = address - segment.address
            guard distance < segment.fileSize else { continue }
            let (offset, isTooFar) = segment.offset.addingReportingOverflow(distance)
            return isTooFar ? nil : (offset, segment.fileSize - distance)
        }
        return nil
    }

    func segment(_ type: Int32) -> Segment? { segments.first { $0.type == UInt32(type) } }

    /// Calls back with each section's name, place and size until it says false. Stripped headers: no call.
    func forEachSection(_ body: (_ name: String, _ offset: UInt64, _ size: UInt64) -> Bool) {
        guard header.isNative else { return }
        var names = 0
        guard elf_getshdrstrndx(elf, &names) == 0, hasPlainNames(names) else { return }
        var section = elf_nextscn(elf, nil)
        while let current = section {
            var entry = GElf_Shdr()
            guard gelf_getshdr(current, &entry) != nil else { return }
            if let name = elf_strptr(elf, names, Int(entry.sh_name)) {
                let bytes = entry.sh_type == UInt32(SHT_NOBITS) ? 0 : entry.sh_size
                guard body(String(cString: name), entry.sh_offset, bytes) else { return }
            }
            section = elf_nextscn(elf, current)
        }
    }

    /// libelf reads the table of section names whole and unpacks it: not one larger than any list of such names is.
    private func hasPlainNames(_ index: Int) -> Bool {
        var entry = GElf_Shdr()
        guard let section = elf_getscn(elf, index), gelf_getshdr(section, &entry) != nil else { return false }
        return entry.sh_size <= 1 << 20 && entry.sh_flags & UInt64(SHF_COMPRESSED) == 0
    }

    static func bytes(
        of file: borrowing Descriptor, path: String, at offset: Int, count: Int
    ) throws(SystemError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = buffer.withUnsafeMutableBytes { raw in
            retrying { pread(file.number, raw.baseAddress, raw.count, off_t(offset)) }
        }
        guard got >= 0 else { throw .failed("read \(path)", errno: errno) }
        return Array(buffer[..<got])
    }

    /// Which of the texts stand anywhere in the first `limit` bytes of the file.
    func texts(_ wanted: [String], limit: Int = 64 << 20) -> Set<String> {
        var missing = wanted.map { ($0, Array($0.utf8)) }
        let overlap = (missing.map { $0.1.count }.max() ?? 1) - 1
        let step = 1 << 20
        var found: Set<String> = []
        var offset = 0
        while !missing.isEmpty, offset < limit,
            let window = try? Self.bytes(of: file, path: path, at: offset, count: step + overlap), !window.isEmpty
        {
            missing.removeAll { text, bytes in
                let isThere = window.withUnsafeBytes { Self.contains($0, bytes) }
                if isThere { found.insert(text) }
                return isThere
            }
            offset += step
        }
        return found
    }

    /// memmem(3), which the Glibc module does not have.
    private static func contains(_ window: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
        guard let base = window.baseAddress, let first = text.first else { return false }
        var offset = 0
        while offset + text.count <= window.count,
            let hit = memchr(base + offset, Int32(first), window.count - offset - text.count + 1)
        {
            if memcmp(hit, text, text.count) == 0 { return true }
            offset = UnsafeRawPointer(hit) - base + 1
        }
        return false
    }

    /// Whether the file gives capabilities to who runs it.
    var hasCapabilities: Bool { fgetxattr(file.number, "security.capability", nil, 0) > 0 }
}

/// Bytes with checked reads of little-endian numbers and of C strings.
struct ByteView {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func u8(_ offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }
    func u16(_ offset: Int) -> UInt16? { number(offset) }
    func u32(_ offset: Int) -> UInt32? { number(offset) }
    func u64(_ offset: Int) -> UInt64? { number(offset) }

    private func number<Number: FixedWidthInteger>(_ offset: Int) -> Number? {
        let size = MemoryLayout<Number>.size
        guard offset >= 0, bytes.count >= size, offset <= bytes.count - size else { return nil }
        return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
    }

    /// The text up to a NUL; nil where none comes in time.
    func text(at offset: Int, limit: Int = ELFFile.Limit.name) -> String? {
        guard bytes.indices.contains(offset) else { return nil }
        let rest = bytes[offset...].prefix(limit)
        guard let end = rest.firstIndex(of: 0) else { return nil }
        return String(decoding: rest[..<end], as: UTF8.self)
    }
}
