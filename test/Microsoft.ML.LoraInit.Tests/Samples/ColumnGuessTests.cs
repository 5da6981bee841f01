using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Data.Files;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class ColumnGuessTests
{
    private static readonly TextLayout Defaults = new() { Name = "multiclass", Kind = TaskKind.Multiclass, Text = "Text", Label = "Label" };

    [TestMethod]
    [DataRow("text,category", "text", null, "category")]
    [DataRow("Text,Label,comment,intent", "Text", null, "Label")]
    [DataRow("id, Utterance ,Intent", "Utterance", null, "Intent")]
    [DataRow("words,label", "words", null, "label")]
    [DataRow("id,sentence1,sentence2,label", "sentence1", "sentence2", "label")]
    [DataRow("text,kind of thing", "text", null, "kind of thing")]
    [DataRow("a,b,c", "Text", null, "Label")]
    public void OneObviousAnswerIsTaken(string header, string text, string? text2, string label)
    {
        var found = ColumnGuess.Apply(Defaults, header.Split(','), textGiven: false, labelGiven: false, pair: null);
        Assert.AreEqual((text, text2, label), (found.Text, found.Text2, found.Label));
    }

    [TestMethod]
    [DataRow("comment,review,label", "--text-column", "'comment' and 'review'")]
    [DataRow("text,intent,topic", "--label-column", "'intent' and 'topic'")]
    public void SeveralAreAskedFor(string header, string option, string names)
    {
        var error = Assert.ThrowsExactly<UsageException>(() => ColumnGuess.Apply(Defaults, header.Split(','), textGiven: false, labelGiven: false, pair: null));
        StringAssert.Contains(error.Message, option);
        StringAssert.Contains(error.Message, names);
    }

    [TestMethod]
    public void WhatIsNamedIsNotGuessed()
    {
        var found = ColumnGuess.Apply(Defaults with { Text = "3" }, ["question1", "question2", "words", "tag"], textGiven: true, labelGiven: false, pair: null);
        Assert.AreEqual(("3", null, "tag"), (found.Text, found.Text2, found.Label));
    }

    [TestMethod]
    public void AModelOfSingleTextsGetsNoPair() =>
        Assert.AreEqual("question", ColumnGuess.Apply(Defaults with { Label = null }, ["question", "text2"], textGiven: false, labelGiven: false, pair: false).Text);
}
