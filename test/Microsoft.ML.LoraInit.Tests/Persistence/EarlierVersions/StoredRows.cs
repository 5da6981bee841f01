using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Persistence.EarlierVersions;

/// <summary>The rows of all stored runs. Checkpoints know them by their hash, so they must never change.</summary>
internal static class StoredRows
{
    private static readonly string[][] Words =
    [
        ["soup", "bread", "rice", "cheese", "butter", "salt"],
        ["goal", "team", "race", "match", "ball", "coach"],
        ["rain", "wind", "snow", "storm", "frost", "cloud"],
    ];

    /// <summary>16 rows, an epoch of four steps.</summary>
    public static IReadOnlyList<Row> Trained { get; } = [.. Enumerable.Range(0, 16).Select(Create)];

    /// <summary>Others.</summary>
    public static IReadOnlyList<Row> Scored { get; } = [.. Enumerable.Range(16, 6).Select(Create)];

    private static Row Create(int i)
    {
        int topic = i % 3, other = (i / 3) % 3;
        return new()
        {
            Text = $"The {Words[topic][i % 6]} was {(i % 4 < 2 ? "good" : "bad")} and near {Words[topic][(i + 2) % 6]}{(i % 5 == 0 ? " of late" : "")}.",
            Text2 = $"It is about {Words[other][i % 5]}.",
            Label = ((string[])["food", "sport", "weather"])[topic],
            IsSport = topic == 1,
            Value = topic - 1 + (0.1f * (i % 4)),
            Topics = [topic == 0 ? 1 : 0, topic == 1 || other == 1 ? 1 : 0, topic == 2 ? 1 : 0],
            Weight = 1 + (i % 2),
        };
    }

    internal sealed class Row
    {
        public string Text { get; set; } = "";

        public string Text2 { get; set; } = "";

        public string Label { get; set; } = "";

        public bool IsSport { get; set; }

        public float Value { get; set; }

        [VectorType(3)]
        public float[] Topics { get; set; } = [];

        public float Weight { get; set; }
    }
}
