import { defineConfigWithVueTs, vueTsConfigs } from '@vue/eslint-config-typescript'
import vue from 'eslint-plugin-vue'

export default defineConfigWithVueTs(
  { ignores: ['dist', 'node_modules', 'src/api/schema.d.ts'] },
  vue.configs['flat/essential'],
  vueTsConfigs.strict,
  {
    rules: {
      'max-lines': ['error', 300],
      'vue/multi-word-component-names': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
