namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>The names and shapes of a RoBERTa's weights, as transformers publishes them.</summary>
internal static class StateDictLayout
{
    /// <summary>Embeddings and layers, in the model's order.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Encoder(RobertaConfig config)
    {
        long hidden = config.HiddenSize;
        const string Embeddings = "roberta.embeddings";
        yield return ($"{Embeddings}.word_embeddings.weight", [config.VocabularySize, hidden]);
        yield return ($"{Embeddings}.position_embeddings.weight", [config.MaxPositions, hidden]);
        yield return ($"{Embeddings}.token_type_embeddings.weight", [config.TypeVocabularySize, hidden]);
        foreach (var entry in Norm($"{Embeddings}.LayerNorm"))
            yield return entry;
        for (int i = 0; i < config.Layers; i++)
        {
            var layer = $"roberta.encoder.layer.{i}";
            foreach (var (name, outputs, inputs) in LinearsOfLayer(config, i).Take(4))
                foreach (var entry in Linear(name, outputs, inputs))
                    yield return entry;
            foreach (var entry in Norm($"{layer}.attention.output.LayerNorm"))
                yield return entry;
            foreach (var (name, outputs, inputs) in LinearsOfLayer(config, i).Skip(4))
                foreach (var entry in Linear(name, outputs, inputs))
                    yield return entry;
            foreach (var entry in Norm($"{layer}.output.LayerNorm"))
                yield return entry;
        }

        IEnumerable<(string, long[])> Norm(string name) => [($"{name}.weight", [hidden]), ($"{name}.bias", [hidden])];
    }

    /// <summary>The classification head.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Head(RobertaConfig config, int outputs) =>
        [.. Linear("classifier.dense", config.HiddenSize, config.HiddenSize), .. Linear("classifier.out_proj", outputs, config.HiddenSize)];

    /// <summary>The encoder's linear layers in the model's order: name, out, in.</summary>
    public static IEnumerable<(string Name, int Outputs, int Inputs)> Linears(RobertaConfig config) =>
        Enumerable.Range(0, config.Layers).SelectMany(i => LinearsOfLayer(config, i));

    private static (string Name, int Outputs, int Inputs)[] LinearsOfLayer(RobertaConfig config, int index)
    {
        var layer = $"roberta.encoder.layer.{index}";
        var (hidden, wide) = (config.HiddenSize, config.IntermediateSize);
        return
        [
            ($"{layer}.attention.self.query", hidden, hidden),
            ($"{layer}.attention.self.key", hidden, hidden),
            ($"{layer}.attention.self.value", hidden, hidden),
            ($"{layer}.attention.output.dense", hidden, hidden),
            ($"{layer}.intermediate.dense", wide, hidden),
            ($"{layer}.output.dense", hidden, wide),
        ];
    }

    private static IEnumerable<(string Name, long[] Shape)> Linear(string name, long outputs, long inputs) =>
        [($"{name}.weight", [outputs, inputs]), ($"{name}.bias", [outputs])];
}
