internal import Glibc

/// A shared library opened at run time, closed once. Never linked: whatever it is, the program starts without it.
package struct DynamicLibrary: ~Copyable {
    package enum Binding: Sendable {
        /// All symbols now, visible to nobody else.
        case nowLocal
        /// Huawei's and Cambricon's own programs open their libraries so; parts of these find each other by name.
        case lazyGlobal
    }

    /// The handle for `dlsym`; valid as long as the library.
    package let handle: UnsafeMutableRawPointer
    /// The name it was opened by.
    package let name: String

    /// Opens a soname by the loader's search, or an absolute path.
    /// - Throws: `notFound` where there is no such file, `invalid` with the loader's words for one that does not load.
    package init(_ name: String, _ binding: Binding = .nowLocal) throws(SystemError) {
        let flags =
            switch binding {
            case .nowLocal: RTLD_NOW | RTLD_LOCAL
            case .lazyGlobal: RTLD_LAZY | RTLD_GLOBAL
            }
        guard let handle = dlopen(name, flags) else {
            let text = dlerror().map { String(cString: $0) } ?? "\(name): does not open"
            // glibc has the same words for a library and for one that it needs; only the first is absence.
            let isAbsent = text.hasPrefix("\(name): cannot open shared object file: No such file or directory")
            throw SystemError(isAbsent ? .notFound : .invalid, text)
        }
        self.handle = handle
        self.name = name
    }

    /// The address of a symbol, or nil.
    package func symbol(_ name: String) -> UnsafeMutableRawPointer? { dlsym(handle, name) }

    /// The file a symbol was loaded from, as the kernel maps it; nil where there is no such symbol.
    package func path(of symbol: String) -> String? {
        guard let pointer = dlsym(handle, symbol) else { return nil }
        let address = UInt(bitPattern: pointer)
        let maps = "/proc/self/maps"
        guard let file = try? Descriptor.open(maps, O_RDONLY), let bytes = try? file.readAll(of: maps, limit: 4 << 20)
        else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            // 7f00-7f10 r-xp 00000000 08:01 42    /path that may have blanks
            let text = String(decoding: line, as: UTF8.self)
            let ends = text.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] <= address, address < ends[1] else { continue }
            return text.firstIndex(of: "/").map { String(text[$0...]) }
        }
        return nil
    }

    deinit { dlclose(handle) }
}
