using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

/// <summary>A RoBERTa of one layer and a few kilobytes, for tests that spoil checkpoints.</summary>
internal static class TinyCheckpoint
{
    public const string Config = """
        {
          "model_type": "roberta", "hidden_act": "gelu", "vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 10, "type_vocab_size": 1,
          "layer_norm_eps": 1e-05, "hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.1,
          "classifier_dropout": null, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2
        }
        """;

    /// <summary>The configuration with one key set to a JSON value, or removed where that is null.</summary>
    public static string ConfigWith(string key, string? json)
    {
        var config = JsonNode.Parse(Config)!.AsObject();
        if (json is null)
            config.Remove(key);
        else
            config[key] = JsonNode.Parse(json);
        return config.ToJsonString();
    }

    /// <summary>Every encoder tensor, filled from a seed, in the caller's dispose scope.</summary>
    public static Dictionary<string, Tensor> Tensors(int seed = 0)
    {
        using var generator = new Generator((ulong)seed);
        return EncoderTensors.Expected(RobertaConfigReader.Parse(Config, "tiny"))
            .ToDictionary(e => e.Name, e => rand(e.Shape, generator: generator));
    }

    /// <summary>The bytes of a safetensors file of these tensors.</summary>
    public static byte[] Safetensors(IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        return stream.ToArray();
    }

    /// <summary>The checkpoint's files by name.</summary>
    public static Dictionary<string, byte[]> Files(int seed = 0)
    {
        using var scope = NewDisposeScope();
        var files = WithoutWeights();
        files["model.safetensors"] = Safetensors(Tensors(seed));
        return files;
    }

    /// <summary>The same checkpoint in two shards.</summary>
    public static Dictionary<string, byte[]> ShardedFiles(int seed = 0)
    {
        using var scope = NewDisposeScope();
        var files = WithoutWeights();
        var map = new JsonObject();
        foreach (var group in Tensors(seed).GroupBy(t => t.Key.Contains("encoder", StringComparison.Ordinal) ? 2 : 1))
        {
            var name = $"model-0000{group.Key}-of-00002.safetensors";
            files[name] = Safetensors(group.ToDictionary());
            foreach (var (tensor, _) in group)
                map[tensor] = name;
        }
        files["model.safetensors.index.json"] = System.Text.Encoding.UTF8.GetBytes(new JsonObject { ["weight_map"] = map }.ToJsonString());
        return files;
    }

    /// <summary>Writes files into a folder.</summary>
    public static void Write(string folder, IReadOnlyDictionary<string, byte[]> files)
    {
        foreach (var (name, content) in files)
            File.WriteAllBytes(Path.Combine(folder, name), content);
    }

    private static Dictionary<string, byte[]> WithoutWeights() => new()
    {
        ["config.json"] = System.Text.Encoding.UTF8.GetBytes(Config),
        ["vocab.json"] = """{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3}"""u8.ToArray(),
        ["merges.txt"] = "#version: 0.2\n"u8.ToArray(),
    };
}
