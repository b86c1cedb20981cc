internal import CLibELF
internal import Glibc

/// What a reader of ELF files wants to know of, beside what every file is asked.
package struct ELFInterest: Sendable {
    /// Names of dynamic symbols, imported or defined.
    package var symbols: Set<String>
    package var sections: Set<String>
    /// Texts anywhere in the file.
    package var texts: [String]

    package init(symbols: Set<String> = [], sections: Set<String> = [], texts: [String] = []) {
        self.symbols = symbols
        self.sections = sections
        self.texts = texts
    }
}

/// What an ELF file says about how it is started, and about the things of an `ELFInterest`.
package struct ELFImage: Equatable, Sendable {
    package enum Kind: String, Codable, Sendable {
        case dynamicProgram = "dynamic"
        case staticProgram = "static"
        case staticPIE = "static-pie"
        case sharedLibrary = "shared-library"
    }

    package enum Loader: Equatable, Sendable {
        case glibc, musl, android
        case unknown
    }

    /// An imported name, `name@version` when written.
    package struct Import: Hashable, Sendable, CustomStringConvertible {
        package var name: String
        package var version: String?
        package var description: String { version.map { "\(name)@\($0)" } ?? name }

        package init(name: String, version: String? = nil) {
            self.name = name
            self.version = version
        }
    }

    package var path: String
    package var kind: Kind
    package var is64Bit = true
    package var machine = ""
    /// Whether a 64-bit process of this host can be made of it. Nothing below is known where it cannot.
    package var isNative = true
    package var interpreter: String?
    package var soname: String?
    package var needed: [String] = []
    package var rpath: String?
    package var runpath: String?
    package var isSymbolic = false
    package var ignoresDefaultDirectories = false
    package var go: GoBuild?
    package var isSetUser = false
    package var isSetGroup = false
    package var hasCapabilities = false
    package var imports: [Import] = []
    package var definitions: [String] = []
    package var sections: Set<String> = []
    package var texts: Set<String> = []

    package init(path: String, kind: Kind) {
        self.path = path
        self.kind = kind
    }

    /// By the name of the interpreter: `ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`, `ld-musl-x86_64.so.1`.
    package var loader: Loader? {
        guard let name = interpreter?.split(separator: "/").last else { return interpreter == nil ? nil : .unknown }
        if name.hasPrefix("ld-musl") { return .musl }
        if name.hasPrefix("ld-linux") || name.hasPrefix("ld-2.") || name.hasPrefix("ld64.so") { return .glibc }
        return name.hasPrefix("linker") ? .android : .unknown
    }

    package func imports(_ name: String) -> Bool { imports.contains { $0.name == name } }
}

extension ELFImage {
    /// Reads a file.
    /// - Throws: `invalid` also for an ELF file that is neither program nor shared library.
    package init(reading path: String, _ interest: ELFInterest = ELFInterest()) throws(SystemError) {
        let file = try ELFFile(path)
        let type = Int32(file.header.type)
        guard type == ET_EXEC || type == ET_DYN else {
            throw SystemError(.invalid, "\(path) is an ELF file of type \(type), no program: name a program")
        }
        let dynamic = file.dynamic()
        let interpreter = file.interpreter()
        if file.header.isNative {
            let isReadable =
                file.isComplete && dynamic?.isWhole ?? (file.segment(PT_DYNAMIC) == nil)
                && (interpreter != nil || file.segment(PT_INTERP) == nil)
            guard isReadable else {
                throw SystemError(.invalid, "\(path) is a damaged ELF file: it lacks bytes that are loaded of it")
            }
        }
        let isDynamic = !file.header.isNative || file.segment(PT_INTERP) != nil
        let kind: Kind =
            if isDynamic { .dynamicProgram } else if type == ET_EXEC { .staticProgram } else {
                dynamic?.isPositionIndependentProgram == true ? .staticPIE : .sharedLibrary
            }
        self.init(path: path, kind: kind)
        is64Bit = file.header.is64Bit
        machine = Self.machineName(file.header.machine)
        isNative = file.header.isNative
        self.interpreter = interpreter
        isSetUser = file.status.st_mode & S_ISUID != 0
        // Without group execution the bit means mandatory locking, not another group.
        isSetGroup = file.status.st_mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
        hasCapabilities = file.hasCapabilities
        guard isNative else { return }
        if let dynamic { take(dynamic, of: file, interest.symbols) }
        go = file.goBuild()
        if !interest.sections.isEmpty {
            var found: Set<String> = []
            file.forEachSection { name, _, _ in
                if interest.sections.contains(name) { found.insert(name) }
                return true
            }
            sections = found
        }
        texts = file.texts(interest.texts)
    }

    private mutating func take(_ dynamic: ELFFile.Dynamic, of file: borrowing ELFFile, _ names: Set<String>) {
        soname = dynamic.soname
        needed = dynamic.needed
        rpath = dynamic.rpath
        runpath = dynamic.runpath
        isSymbolic = dynamic.isSymbolic
        ignoresDefaultDirectories = dynamic.ignoresDefaultDirectories
        guard !names.isEmpty else { return }
        var imports: Set<Import> = []
        var definitions: Set<String> = []
        file.forEachSymbol(dynamic) { symbol in
            guard names.contains(symbol.name) else { return }
            if symbol.isDefined {
                definitions.insert(symbol.name)
            } else {
                imports.insert(Import(name: symbol.name, version: symbol.version))
            }
        }
        self.imports = imports.sorted { $0.description < $1.description }
        self.definitions = definitions.sorted()
    }

    private static func machineName(_ number: UInt16) -> String {
        switch Int32(number) {
        case EM_X86_64: "x86-64"
        case EM_AARCH64: "AArch64"
        case EM_386: "x86"
        case EM_ARM: "ARM"
        case EM_PPC64: "PowerPC 64"
        case EM_S390: "S/390"
        case EM_RISCV: "RISC-V"
        case 258: "LoongArch"
        default: "machine \(number)"
        }
    }
}
