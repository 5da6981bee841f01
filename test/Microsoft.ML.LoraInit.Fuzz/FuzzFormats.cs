using Microsoft.ML.LoraInit.Fuzz.Formats;

namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>Every format that the library reads.</summary>
internal static class FuzzFormats
{
    public static IReadOnlyList<FuzzFormat> All(Material material) =>
    [
        new ModelFormat(material), new SafetensorsFormat(), new CheckpointFormat(material), new LibraryFolderFormat(material), new LibraryArchiveFormat(material),
        new PeftFormat(material), new TrainingFormat(material), new CacheFormat(material), new TokenizerFormat(material), new TokenIdFormat(material), new ConfigFormat(material),
    ];
}
