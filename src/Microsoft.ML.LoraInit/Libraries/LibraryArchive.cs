using System.IO.Compression;
using System.Text.Json;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A transformer's stream inside an <c>.mlnet</c> file: a zip archive of the library's folder and the transformer's columns.</summary>
internal static class LibraryArchive
{
    private const string Columns = "columns.json";
    private const string Library = "library";

    public static void Write(Stream stream, AdapterLibrary library, AdapterLibraryColumns columns) => InTemporaryFolder(folder =>
    {
        library.Save(Path.Combine(folder, Library));
        File.WriteAllText(Path.Combine(folder, Columns), JsonSerializer.Serialize(columns));
        ZipFile.CreateFromDirectory(folder, stream, CompressionLevel.NoCompression, includeBaseDirectory: false);
        return true;
    });

    /// <exception cref="InvalidDataException">The stream is damaged, or the base is missing or another one.</exception>
    public static (AdapterLibrary Library, AdapterLibraryColumns Columns) Read(Stream stream, AdapterLibraryOptions options) => InTemporaryFolder(folder =>
    {
        // An archive is found from its end, so the stream must hold nothing else.
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        copy.Position = 0;
        ZipFile.ExtractToDirectory(copy, folder);
        var path = Path.Combine(folder, Columns);
        if (!File.Exists(path))
            throw new InvalidDataException($"The model file is damaged: the library's '{Columns}' is missing. Save the model again.");
        try
        {
            var columns = JsonSerializer.Deserialize<AdapterLibraryColumns>(File.ReadAllText(path)) ?? throw new JsonException("It is null.");
            return (AdapterLibrary.Load(Path.Combine(folder, Library), options), columns.Checked());
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The model file is damaged: the library's '{Columns}' cannot be read. {e.Message}", e);
        }
    });

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
