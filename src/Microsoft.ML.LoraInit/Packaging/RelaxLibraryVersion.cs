using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;

/// <summary>
/// Copies a Linux library with one required version of another library marked as weak, so that the loader of a system whose
/// library is older goes on. Only where nothing in the file depends on that version: see <see cref="Relax"/>.
/// </summary>
/// <remarks>Compiled by MSBuild when it is needed, hence one file in an early C# with no namespace.</remarks>
public class RelaxLibraryVersion : Microsoft.Build.Utilities.Task
{
    private const ushort Weak = 2; // VER_FLG_WEAK
    private const int MaxLength = 1 << 30;
    private const int MaxEntries = 1 << 20;
    private const int MaxName = 1 << 10;

    /// <summary>The file as its package has it; never changed.</summary>
    [Required]
    public string Source { get; set; }

    /// <summary>The copy, written whole or not at all.</summary>
    [Required]
    public string Destination { get; set; }

    /// <summary>File name of the library that the version belongs to, such as <c>libstdc++.so.6</c>.</summary>
    [Required]
    public string Library { get; set; }

    /// <summary>The version, such as <c>GLIBCXX_3.4.32</c>.</summary>
    [Required]
    public string Version { get; set; }

    /// <summary>The one symbol of that version that the file may name without using it.</summary>
    [Required]
    public string UnusedSymbol { get; set; }

    /// <summary>Always true: a build does not fail for a system that the program may never see.</summary>
    public override bool Execute()
    {
        string temporary = Destination + "." + Guid.NewGuid().ToString("N") + ".tmp";
        try
        {
            if (new FileInfo(Source).Length > MaxLength)
                throw new IOException("it is too large to be a library.");
            byte[] file = File.ReadAllBytes(Source);
            string refusal = null;
            try
            {
                if (Relax(file, Library, Version, UnusedSymbol) == 0)
                    Log.LogMessage(MessageImportance.Low, "{0} does not need {1}.", Source, Version);
            }
            catch (InvalidDataException e)
            {
                refusal = e.Message;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(Destination));
            File.WriteAllBytes(temporary, file);
            if (File.Exists(Destination))
                File.Delete(Destination);
            File.Move(temporary, Destination);
            if (refusal != null)
                Log.LogWarning(null, "LORA0001", null, null, 0, 0, 0, 0,
                    "{0} is used as it is: {1}. On Linux systems without {2} the program may not find libtorch.", Source, refusal, Version);
        }
        catch (Exception e) when (e is IOException || e is UnauthorizedAccessException)
        {
            Log.LogWarning(null, "LORA0002", null, null, 0, 0, 0, 0, "{0} is used as it is: {1}", Source, e.Message);
            if (File.Exists(temporary))
                File.Delete(temporary);
        }
        return true;
    }

    /// <summary>Sets VER_FLG_WEAK on a version that a 64-bit little-endian ELF file needs.</summary>
    /// <returns>How many entries name that version, those already weak included; 0 leaves the bytes as they are.</returns>
    /// <exception cref="InvalidDataException">
    /// Not such a file, damaged, or it uses something of that version: another symbol than <paramref name="unused"/> has it, or
    /// a relocation refers to the symbol. Nothing is changed then.
    /// </exception>
    public static int Relax(byte[] file, string library, string version, string unused)
    {
        Image image = new Image(file);
        List<int> flags = new List<int>();
        HashSet<ushort> indices = new HashSet<ushort>();
        if (!image.Has(Tag.VersionNeeds))
            return 0;
        long need = image.Offset(image.Value(Tag.VersionNeeds));
        ulong needs = image.Value(Tag.VersionNeedCount);
        int steps = 0; // a damaged table may go in circles
        for (ulong n = 0; n < needs; n++)
        {
            bool named = image.Is(image.U32(need + 4), library);
            long entry = need + image.U32(need + 8);
            for (int k = image.U16(need + 2); k > 0; k--)
            {
                if (++steps > MaxEntries)
                    throw new InvalidDataException("its table of versions is damaged");
                if (named && image.Is(image.U32(entry + 8), version))
                {
                    flags.Add((int)entry + 4);
                    indices.Add((ushort)(image.U16(entry + 6) & 0x7fff));
                }
                uint nextEntry = image.U32(entry + 12);
                if (nextEntry == 0)
                    break;
                entry += nextEntry;
            }
            uint next = image.U32(need + 12);
            if (next == 0)
                break;
            if (++steps > MaxEntries)
                throw new InvalidDataException("its table of versions is damaged");
            need += next;
        }
        if (flags.Count == 0)
            return 0;
        RequireUnused(image, indices, version, unused);
        foreach (int flag in flags)
            file[flag] |= (byte)Weak;
        return flags.Count;
    }

    private static void RequireUnused(Image image, HashSet<ushort> indices, string version, string unused)
    {
        if (!image.Has(Tag.Versions) || !image.Has(Tag.Symbols))
            throw new InvalidDataException("it has no table of symbols");
        long versions = image.Offset(image.Value(Tag.Versions)), symbols = image.Offset(image.Value(Tag.Symbols));
        uint count = image.SymbolCount();
        for (uint i = 0; i < count; i++)
        {
            uint name = image.U32(symbols + 24L * i);
            if (indices.Contains((ushort)(image.U16(versions + 2L * i) & 0x7fff)) && !image.Is(name, unused))
                throw new InvalidDataException("it uses " + image.Text(name) + " of " + version);
        }
        // Other kinds than RELA are not used on x64, but for DT_RELR, which refers to no symbol.
        if (image.Has(Tag.OtherRelocations) || image.Has(Tag.PackedRelocations)
            || image.Has(Tag.CallsKind) && image.Value(Tag.CallsKind) != Tag.Relocations
            || image.Has(Tag.RelocationLength) && image.Value(Tag.RelocationLength) != 24)
            throw new InvalidDataException("its relocations are of another kind than expected");
        ulong[] tables = { Tag.Relocations, Tag.RelocationsSize, Tag.Calls, Tag.CallsSize };
        for (int t = 0; t < tables.Length; t += 2)
        {
            if (!image.Has(tables[t]))
                continue;
            long at = image.Offset(image.Value(tables[t]));
            ulong size = image.Value(tables[t + 1]);
            if (size > MaxLength)
                throw new InvalidDataException("its table of relocations is damaged");
            for (ulong k = 0; k + 24 <= size; k += 24)
            {
                uint symbol = image.U32(at + (long)k + 12); // 0: none
                if (symbol != 0 && indices.Contains((ushort)(image.U16(versions + 2L * symbol) & 0x7fff)))
                    throw new InvalidDataException("it uses " + image.Text(image.U32(symbols + 24L * symbol)) + " of " + version);
            }
        }
    }

    /// <summary>Tags of the dynamic section.</summary>
    private static class Tag
    {
        public const ulong Strings = 5, Symbols = 6, StringsSize = 10, Relocations = 7, RelocationsSize = 8, RelocationLength = 9,
            CallsSize = 2, CallsKind = 20, Calls = 23, OtherRelocations = 17, PackedRelocations = 0x60000011, Hash = 4, GnuHash = 0x6ffffef5, Versions = 0x6ffffff0, VersionNeeds = 0x6ffffffe, VersionNeedCount = 0x6fffffff;
    }

    /// <summary>A 64-bit little-endian ELF file as the loader sees it: through its segments, without section headers.</summary>
    private sealed class Image
    {
        private readonly byte[] _file;
        private readonly List<ulong[]> _segments = new List<ulong[]>(); // address, offset, length in the file
        private readonly Dictionary<ulong, ulong> _dynamic = new Dictionary<ulong, ulong>();
        private readonly long _strings;
        private readonly ulong _stringsLength;

        public Image(byte[] file)
        {
            _file = file;
            if (file.Length < 64 || file[0] != 0x7f || file[1] != 'E' || file[2] != 'L' || file[3] != 'F')
                throw new InvalidDataException("it is not an ELF file");
            if (file[4] != 2 || file[5] != 1)
                throw new InvalidDataException("it is not a 64-bit little-endian ELF file");
            if (U16(18) != 62)
                throw new InvalidDataException("it is not for x64");
            long headers = At(U64(32));
            int size = U16(54), count = U16(56);
            if (size < 56)
                throw new InvalidDataException("its program headers are damaged");
            long dynamic = -1;
            ulong dynamicLength = 0;
            for (int i = 0; i < count; i++)
            {
                long header = headers + (long)i * size;
                uint type = U32(header);
                if (type == 1)
                    _segments.Add(new ulong[] { U64(header + 16), U64(header + 8), U64(header + 32) });
                if (type == 2)
                {
                    dynamic = At(U64(header + 8));
                    dynamicLength = U64(header + 32);
                }
            }
            if (dynamic < 0)
                throw new InvalidDataException("it has no dynamic section");
            if (dynamicLength > MaxEntries)
                throw new InvalidDataException("its dynamic section is damaged");
            for (ulong k = 0; k + 16 <= dynamicLength; k += 16)
            {
                ulong tag = U64(dynamic + (long)k);
                if (tag == 0)
                    break;
                _dynamic[tag] = U64(dynamic + (long)k + 8); // of several the last, as for the loader
            }
            _strings = Offset(Value(Tag.Strings));
            _stringsLength = Value(Tag.StringsSize);
        }

        public bool Has(ulong tag)
        {
            return _dynamic.ContainsKey(tag);
        }

        /// <summary>0 where there is no such tag.</summary>
        public ulong Value(ulong tag)
        {
            ulong value;
            return _dynamic.TryGetValue(tag, out value) ? value : 0;
        }

        /// <summary>Where in the file an address lies.</summary>
        public long Offset(ulong address)
        {
            foreach (ulong[] segment in _segments)
                if (address >= segment[0] && address - segment[0] < segment[2])
                    return At(segment[1] + (address - segment[0]));
            throw new InvalidDataException("an address lies outside of it");
        }

        public ushort U16(long at)
        {
            Check(at, 2);
            return (ushort)(_file[at] | _file[at + 1] << 8);
        }

        public uint U32(long at)
        {
            Check(at, 4);
            return BitConverter.ToUInt32(_file, (int)at);
        }

        public ulong U64(long at)
        {
            Check(at, 8);
            return BitConverter.ToUInt64(_file, (int)at);
        }

        public bool Is(uint index, string text)
        {
            long start = Name(index);
            for (int i = 0; i <= text.Length; i++)
            {
                Check(start + i, 1);
                if (_file[start + i] != (i < text.Length ? text[i] : 0))
                    return false;
            }
            return true;
        }

        /// <summary>A name for people, shortened where it is very long.</summary>
        public string Text(uint index)
        {
            long start = Name(index), end = start;
            while (end < _file.Length && end - start < MaxName && _file[end] != 0)
                end++;
            return Encoding.UTF8.GetString(_file, (int)start, (int)(end - start));
        }

        private long Name(uint index)
        {
            if (index >= _stringsLength)
                throw new InvalidDataException("a name lies outside of its table");
            return _strings + index;
        }

        /// <summary>From the hash tables, the only place where the loader's view has it.</summary>
        public uint SymbolCount()
        {
            if (Has(Tag.Hash))
                return Bounded(U32(Offset(Value(Tag.Hash)) + 4));
            if (!Has(Tag.GnuHash))
                throw new InvalidDataException("its symbols cannot be counted");
            long table = Offset(Value(Tag.GnuHash));
            uint buckets = Bounded(U32(table)), first = U32(table + 4), bloom = Bounded(U32(table + 8));
            long bucket = table + 16 + 8L * bloom;
            uint last = 0;
            for (uint b = 0; b < buckets; b++)
                last = Math.Max(last, U32(bucket + 4L * b));
            if (last < first) // nothing is exported, and what is imported is not in this table
                throw new InvalidDataException("its symbols cannot be counted");
            long chain = bucket + 4L * buckets;
            while ((U32(chain + 4L * (last - first)) & 1) == 0)
                last++; // ends with the file at the latest
            return Bounded(last + 1);
        }

        private static uint Bounded(uint count)
        {
            if (count > MaxEntries)
                throw new InvalidDataException("its table of symbols is damaged");
            return count;
        }

        private long At(ulong offset)
        {
            if (offset >= (ulong)_file.Length)
                throw new InvalidDataException("it ends early");
            return (long)offset;
        }

        private void Check(long at, int bytes)
        {
            if (at < 0 || at > _file.Length - bytes)
                throw new InvalidDataException("it ends early");
        }
    }
}
