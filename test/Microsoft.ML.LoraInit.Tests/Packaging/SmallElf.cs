using System.Text;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>
/// A made-up Linux library of a few hundred bytes: 64 bits, little-endian, x64, one segment that holds everything at its offset in
/// the file. Its layout is that of the ELF specification and of the version tables of the Linux Standard Base.
/// </summary>
internal sealed record SmallElf
{
    public const string Library = "libstdc++.so.6";
    public const string Version = "GLIBCXX_3.4.32";
    public const string Unused = "unused_symbol";

    private const ushort Needed = 2;
    private const ushort Other = 3;

    /// <summary>What it imports of the version, besides a symbol of another version, and its one exported symbol.</summary>
    public IReadOnlyList<string> Imports { get; init; } = [Unused];

    /// <summary>The symbols that its relocations name: 0 for none, 1 for the one of another version, from 2 on <see cref="Imports"/>.</summary>
    public IReadOnlyList<uint> Relocations { get; init; } = [0, 1];

    /// <summary>The same, of its calls.</summary>
    public IReadOnlyList<uint> Calls { get; init; } = [1];

    public string NeededVersion { get; init; } = Version;

    /// <summary>Flags of the needed version; 2 is weak.</summary>
    public ushort Flags { get; init; }

    /// <summary>Whether symbols are counted by the newer kind of hash table.</summary>
    public bool GnuHash { get; init; } = true;

    /// <summary>More entries of the dynamic section.</summary>
    public IReadOnlyList<(ulong Tag, ulong Value)> Also { get; init; } = [];

    public byte[] Build()
    {
        using var stream = new MemoryStream();
        using var to = new BinaryWriter(stream);
        to.Write(new byte[64 + (2 * 56)]); // headers, when all is known
        List<(ulong Tag, ulong Value)> dynamic = [.. Also];
        ulong Table(ulong tag)
        {
            to.Write(new byte[-stream.Position & 7]);
            dynamic.Add((tag, (ulong)stream.Position));
            return (ulong)stream.Position;
        }

        string[] names = ["", "of_another_version", .. Imports, "exported", Library, NeededVersion, "GLIBCXX_3.4"];
        uint Name(string name) => (uint)names.TakeWhile(n => n != name).Sum(n => n.Length + 1);
        var exported = (uint)Imports.Count + 2;
        var text = Encoding.ASCII.GetBytes(string.Join('\0', names) + '\0');

        Table(5);
        to.Write(text);
        dynamic.Add((10, (ulong)text.Length));
        Table(6);
        foreach (var name in names.Take((int)exported + 1))
        {
            to.Write(Name(name));
            to.Write(new byte[20]);
        }
        Table(0x6ffffff0);
        foreach (var version in (ushort[])[0, Other, .. Imports.Select(_ => Needed), 1])
            to.Write(version);
        Table(0x6ffffffe);
        Write16(to, 1, 2); // one library, two versions
        Write32(to, Name(Library), 16, 0);
        WriteVersion(to, 0, Other, Name("GLIBCXX_3.4"), next: 16);
        WriteVersion(to, Flags, Needed, Name(NeededVersion), next: 0);
        dynamic.Add((0x6fffffff, 1));
        Table(GnuHash ? 0x6ffffef5u : 4);
        if (GnuHash)
            Write32(to, 1, exported, 1, 0, 0, 0, exported, 1); // one bucket, the exported symbol first and last in it
        else
            Write32(to, 1, exported + 1);
        WriteRelocations(Table(7), 8, Relocations);
        WriteRelocations(Table(23), 2, Calls);

        var start = Table(0);
        dynamic.RemoveAt(dynamic.Count - 1);
        foreach (var (tag, value) in dynamic.Append((0ul, 0ul)))
        {
            to.Write(tag);
            to.Write(value);
        }
        var length = (ulong)stream.Length;
        stream.Position = 0;
        to.Write([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, .. new byte[9]]);
        Write16(to, 3, 62);
        Write32(to, 1);
        Write64(to, 0, 64, 0);
        Write32(to, 0);
        Write16(to, 64, 56, 2, 0, 0, 0);
        WriteSegment(to, 1, 0, length);
        WriteSegment(to, 2, start, length - start);
        return stream.ToArray();

        void WriteRelocations(ulong at, ulong sizeTag, IReadOnlyList<uint> symbols)
        {
            foreach (var symbol in symbols)
                Write64(to, 0, (ulong)symbol << 32 | 6, 0);
            dynamic.Add((sizeTag, (ulong)stream.Position - at));
        }
    }

    private static void WriteVersion(BinaryWriter to, ushort flags, ushort index, uint name, uint next)
    {
        Write32(to, 0); // a hash, for the loader alone
        Write16(to, flags, index);
        Write32(to, name, next);
    }

    private static void WriteSegment(BinaryWriter to, uint type, ulong at, ulong length)
    {
        Write32(to, type, 4);
        Write64(to, at, at, at, length, length, 8);
    }

    private static void Write16(BinaryWriter to, params ushort[] values) => Array.ForEach(values, to.Write);

    private static void Write32(BinaryWriter to, params uint[] values) => Array.ForEach(values, to.Write);

    private static void Write64(BinaryWriter to, params ulong[] values) => Array.ForEach(values, to.Write);
}
