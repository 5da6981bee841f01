using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Persistence;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A library as a folder: <c>library.json</c>, and a safetensors file (fp32) for each adapter.</summary>
internal static class LibraryFolder
{
    public const string Manifest = "library.json";

    private const int Version = 1;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, NewLine = "\n" };

    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static void Write(string folder, LibraryBase origin, IReadOnlyList<LibraryAdapter> adapters) => AtomicFolder.Write(folder, temporary =>
    {
        var entries = new List<Entry>();
        foreach (var adapter in adapters)
        {
            // Names may hold what file names cannot, or differ in case alone.
            var file = $"adapter-{entries.Count + 1}.safetensors";
            var path = Path.Combine(temporary, file);
            SafetensorsWriter.Write(path, adapter.Source.State.Tensors);
            entries.Add(Entry.Of(adapter, file, Sha256(path)));
        }
        var manifest = new Content(Version, StoredBase.Of(origin.Checkpoint, origin.Identity), entries);
        AtomicFile.Write(Path.Combine(temporary, Manifest), stream => JsonSerializer.Serialize(stream, manifest, Json));
    });

    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file is missing or damaged, or the base is missing or another one.</exception>
    public static AdapterLibrary Read(string folder, AdapterLibraryOptions? options, RobertaCheckpoint? baseModel)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        folder = Path.GetFullPath(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"The library's folder '{folder}' does not exist.");
        var content = ReadManifest(Path.Combine(folder, Manifest));
        var library = AdapterLibrary.Create(baseModel ?? content.Base.Checkpoint(), options);
        try
        {
            if (library.Base.Identity.Sha256 != content.Base.Sha256)
                throw new InvalidDataException($"The library '{folder}' is over the base '{content.Base.Source}' with the SHA-256 {content.Base.Sha256}, but what is there now has {library.Base.Identity.Sha256}. Give it that base.");
            foreach (var entry in content.Adapters)
                library.Add(entry.Name, replace: false, () => ReadAdapter(folder, entry, library.Base));
            return library;
        }
        catch
        {
            library.Dispose();
            throw;
        }
    }

    private static Content ReadManifest(string path)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"'{path}' is missing: a library is a folder that AdapterLibrary.Save wrote.");
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path));
            if ((int?)json?["version"] > Version)
                throw new InvalidDataException($"'{path}' was saved by a newer version of Microsoft.ML.LoraInit: its format is {json["version"]}, this library reads up to {Version}. Update the package.");
            return json.Deserialize<Content>(Json) ?? throw new JsonException("It is null.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"'{path}' is damaged: {e.Message}", e);
        }
    }

    private static AdapterSource ReadAdapter(string folder, Entry entry, LibraryBase origin)
    {
        var path = Path.Combine(folder, Path.GetFileName(entry.File));
        if (!File.Exists(path))
            throw new InvalidDataException($"'{path}' is missing, which holds the adapter '{entry.Name}'.");
        if (Sha256(path) != entry.Sha256)
            throw new InvalidDataException($"'{path}' does not have the SHA-256 that '{Manifest}' says: it was changed or damaged. Get or save the library again.");
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        try
        {
            var settings = entry.Settings();
            var state = new FineTunedState(origin.Identity, origin.Config, settings.Scores.Task.OutputCount, entry.FineTuning,
                file.Names.ToDictionary(n => n, n => file.Read(n, ScalarType.Float32), StringComparer.Ordinal));
            return new(state, settings, TrainingHistory.FromJson(entry.History.ToJsonString()));
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"'{Manifest}' is damaged where it describes the adapter '{entry.Name}': {e.Message}", e);
        }
    }

    private static string Sha256(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>What <c>library.json</c> holds.</summary>
    private sealed record Content(int Version, StoredBase Base, IReadOnlyList<Entry> Adapters);

    /// <summary>One adapter of it.</summary>
    private sealed record Entry
    {
        public required string Name { get; init; }

        public required string File { get; init; }

        public required string Sha256 { get; init; }

        public required JsonObject FineTuning { get; init; }

        public required JsonObject Scores { get; init; }

        public required string Text { get; init; }

        public string? Text2 { get; init; }

        public required int MaxLength { get; init; }

        public required Precision Precision { get; init; }

        public required ModelSaveMode SaveMode { get; init; }

        public required JsonNode History { get; init; }

        public static Entry Of(LibraryAdapter adapter, string file, string sha256)
        {
            var (state, settings, history) = adapter.Source;
            return new()
            {
                Name = adapter.Name,
                File = file,
                Sha256 = sha256,
                FineTuning = state.FineTuning.DeepClone().AsObject(),
                Scores = settings.Scores.ToJson(),
                Text = settings.Texts.Text,
                Text2 = settings.Texts.Text2,
                MaxLength = settings.MaxLength,
                Precision = settings.Precision,
                SaveMode = settings.SaveMode,
                History = JsonNode.Parse(history.ToJson())!,
            };
        }

        public FineTunedModel.Settings Settings() => new(ScoreColumns.FromJson(Scores), new TextColumns(Text, Text2), MaxLength, Precision, SaveMode);
    }
}
