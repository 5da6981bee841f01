using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A transformer's stream inside an <c>.mlnet</c> file: a zip archive of the library's folder and the transformer's columns.</summary>
internal static class LibraryArchive
{
    private const string Columns = "columns.json";
    private const string Library = "library";

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.General));
    private static readonly JsonSource Source = new("The columns of the model file's library", "Get or save the model again.");

    // What a name, a date and a place take in an archive, twice; a generous bound.
    private const long BytesOfEntry = 512;

    /// <summary>The most bytes that an archive may have: it is read into memory.</summary>
    public static readonly long MostBytes = Array.MaxLength;

    /// <param name="stream">Where to.</param>
    /// <param name="library">The library.</param>
    /// <param name="columns">The transformer's.</param>
    /// <param name="mostBytes">The most that may be written; <see cref="MostBytes"/> unless a test says less.</param>
    /// <exception cref="InvalidOperationException">The library is larger than what <see cref="Read"/> takes; nothing was written.</exception>
    public static void Write(Stream stream, AdapterLibrary library, AdapterLibraryColumns columns, long? mostBytes = null) => InTemporaryFolder(folder =>
    {
        Check(library.StoredBytes);
        library.Save(Path.Combine(folder, Library));
        File.WriteAllText(Path.Combine(folder, Columns), JsonSerializer.Serialize(columns, Json));
        Check(new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length + BytesOfEntry));
        ZipFile.CreateFromDirectory(folder, stream, CompressionLevel.NoCompression, includeBaseDirectory: false);
        return true;

        void Check(long bytes)
        {
            long most = mostBytes ?? MostBytes;
            if (bytes > most)
                throw new InvalidOperationException($"The library's adapters take {bytes:N0} bytes, and a model file holds {most:N0} of them at most. Save the library as a folder, which has no such limit (Library.Save, AdapterLibrary.Load), or divide it.");
        }
    });

    /// <exception cref="InvalidDataException">The stream is damaged, or the base is missing or another one.</exception>
    public static (AdapterLibrary Library, AdapterLibraryColumns Columns) Read(Stream stream, AdapterLibraryOptions options) => InTemporaryFolder(folder =>
    {
        // An archive is found from its end, so the stream must hold nothing else.
        using var copy = new MemoryStream(UntrustedFile.Read(stream, MostBytes, "The model file's library"), writable: false);
        Extract(copy, folder);
        var columns = UntrustedJson.Read<AdapterLibraryColumns>(UntrustedFile.Read(Path.Combine(folder, Columns), UntrustedFile.MaxJson), Source, Json);
        return (AdapterLibrary.Load(Path.Combine(folder, Library), options), UntrustedJson.Guard(Source, columns.Checked));
    });

    // Entries are stored, not compressed, so they cannot be more than the archive; others than ours are not written anywhere.
    private static void Extract(MemoryStream stream, string folder)
    {
        try
        {
            using var archive = new ZipArchive(stream, ZipArchiveMode.Read);
            var expected = new List<string> { Columns, $"{Library}/{LibraryFolder.Manifest}" };
            expected.AddRange(Enumerable.Range(0, Math.Max(0, archive.Entries.Count - expected.Count)).Select(i => $"{Library}/{LibraryFolder.FileName(i)}"));
            if (archive.Entries.Select(e => e.FullName).FirstOrDefault(n => !expected.Remove(n)) is { } unknown)
                throw Damaged($"it has the entry '{unknown}', which a library does not have or which is there twice");
            if (expected.Count > 0)
                throw Damaged($"the entry '{expected[0]}' is missing");
            if (archive.Entries.Sum(e => e.Length) > stream.Length || archive.Entries.Any(e => e.CompressedLength != e.Length))
                throw Damaged("its entries are said to be larger than the archive");
            Directory.CreateDirectory(Path.Combine(folder, Library));
            foreach (var entry in archive.Entries)
                Extract(entry, Path.Combine(folder, entry.FullName));
        }
        // What ZipArchive says of names, methods of compression and ends that are not as they should be.
        catch (Exception e) when (e is ArgumentException or NotSupportedException or EndOfStreamException)
        {
            throw Damaged(e.Message.TrimEnd('.'), e);
        }
    }

    private static void Extract(ZipArchiveEntry entry, string path)
    {
        using var from = entry.Open();
        using var to = new FileStream(path, FileMode.CreateNew);
        var piece = new byte[81_920];
        for (int count; (count = from.Read(piece)) > 0;)
        {
            to.Write(piece, 0, count);
            if (to.Length > entry.Length)
                throw Damaged($"its entry '{entry.FullName}' is larger than it says");
        }
        if (to.Length != entry.Length)
            throw Damaged($"its entry '{entry.FullName}' is smaller than it says");
    }

    private static InvalidDataException Damaged(string how, Exception? cause = null) =>
        new($"The model file's library is damaged: {how}. Get or save the model again.", cause);

    private static T InTemporaryFolder<T>(Func<string, T> use)
    {
        var folder = Directory.CreateTempSubdirectory("lorainit-library-");
        try
        {
            return use(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
