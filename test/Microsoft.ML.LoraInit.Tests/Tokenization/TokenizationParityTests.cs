using System.Text.Json;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

[TestClass]
[TestCategory(ParityData.Category)]
public sealed class TokenizationParityTests
{
    [TestMethod]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void MiniVocabularyGivesTheReferenceIds(string folder) => Compare(folder, "mini", TestTokenizers.Mini);

    [TestMethod]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void RobertaBaseVocabularyGivesTheReferenceIds(string folder) => Compare(folder, "roberta_base", TestTokenizers.RobertaBase());

    private static void Compare(string folder, string vocabulary, SubwordTokenizer tokenizer)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "tokenization.json")));
        int compared = 0;
        foreach (var row in file.RootElement.EnumerateArray())
        {
            if (!row.TryGetProperty(vocabulary, out var ids))
                continue;
            var expected = ids.EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var text = row.GetProperty("text").GetString()!;
            var actual = tokenizer.Encode(text, row.GetProperty("pair").GetString(), row.GetProperty("max_length").GetInt32());
            CollectionAssert.AreEqual(expected, actual.Ids,
                $"'{text[..Math.Min(60, text.Length)]}': expected {string.Join(",", expected.Take(60))}, got {string.Join(",", actual.Ids.Take(60))}");
            compared++;
        }
        Assert.AreNotEqual(0, compared, $"{folder} has no ids for '{vocabulary}'.");
    }
}
